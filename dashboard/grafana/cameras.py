"""The dashboard of who looks after the cameras: which see, which do not, since when, and why frames go unjudged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.grafana.board import CAMERA, Board, Row
from dashboard.grafana.panels import (
    GREEN,
    LIMITS,
    ORANGE,
    RED,
    STATE_COLOURS,
    Link,
    Panel,
    Query,
    Steps,
    bars,
    colored,
    columns,
    lines,
    shares,
    stat,
    table,
    timeline,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.grafana.panels import Json

PAGE_LINK = Link("${__field.labels.camera_id} on the page", "${page}/cameras/${__field.labels.camera_id}")
ANY_BAD = Steps(GREEN, ((1, RED),))


def cameras(limits: Mapping[str, float]) -> Board:
    """Build it with the thresholds' numbers."""
    return Board(
        uid="maskwatch-cameras",
        title="maskwatch: Cameras",
        about="Which cameras see, which do not, since when; how many frames are judged, and how well.",
        begins="now-6h",
        rows=(
            Row("Now", _now(limits)),
            Row("State", _state(limits)),
            Row("Frames", _frames(limits)),
            Row("Picture health", _picture(limits)),
        ),
    )


def _count(state: str) -> Query:
    return Query(f'sum(maskwatch_camera_state{{{CAMERA}, state=~"{state}"}})', state)


def _now(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    blind = tuple(
        stat(title, about, _count(state), unit="short", width=4, decimals=0, steps=ANY_BAD)
        for title, state, about in (
            (
                "Offline",
                "offline",
                "Chosen cameras without a connection, or of which ingest has not reported for 10 s.",
            ),
            ("Frozen", "frozen", "Chosen cameras that deliver the very same picture again and again."),
            ("Covered", "covered", "Chosen cameras whose picture is black, blinded or without any feature."),
            ("Stalled, connecting", "stalled|connecting", "Chosen cameras that have just stopped, or not yet begun."),
        )
    )
    live = stat("Live", "Chosen cameras whose pictures come and change.", _count("live"), unit="short", decimals=0)
    oldest = stat(
        "Oldest picture",
        "Age of the newest frame of the camera that is worst off. What is older than the threshold is not what "
        "happens.",
        Query(f"max(maskwatch_camera_last_frame_age_seconds{{{CAMERA}}})", "age"),
        unit="s",
        decimals=1,
        steps=Steps(GREEN, ((limits["frame_age_s"] / 2, ORANGE), (limits["frame_age_s"], RED))),
    )
    return (live, *blind, oldest)


def _state(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    age = Steps(GREEN, ((limits["frame_age_s"], RED),))
    share = Steps(RED, ((0.95, ORANGE), (0.99, GREEN)))
    shown: dict[str, Json] = {
        "State since": {"unit": "dateTimeFromNow"},
        "Live, 24 h": {"unit": "percentunit", "decimals": 2, "thresholds": share.to_json()},
        "Fresh, 24 h": {"unit": "percentunit", "decimals": 2, "thresholds": share.to_json()},
    }
    links = ({"title": "On the page", "url": "${page}/cameras/${__value.text}", "targetBlank": True},)
    return (
        timeline(
            "State of each camera",
            "Each band is a camera. Anything but green means that nobody was watching there: stalled and offline "
            "are the network or the camera, frozen its encoder, covered its lens.",
            Query(f"camera:maskwatch_state:code{{{CAMERA}}}", "{{camera_id}}"),
            links=(PAGE_LINK,),
        ),
        lines(
            "Age of the newest frame",
            "Seconds since the newest frame was taken. A saw tooth near zero is right; a ramp is a camera that "
            "stopped.",
            Query(f"max by (camera_id) (maskwatch_camera_last_frame_age_seconds{{{CAMERA}}})", "{{camera_id}}"),
            unit="s",
            steps=age,
            custom=LIMITS,
            links=(PAGE_LINK,),
        ),
        table(
            "Service levels",
            "Share of the last day in which a camera was live, and in which its newest frame was young enough; "
            "and since when it is in its present state.",
            Query(f"1000 * max by (camera_id) (maskwatch_camera_state_since_seconds{{{CAMERA}}})", "since"),
            Query(f'max by (camera_id) (camera:maskwatch_available:ratio{{{CAMERA}, window="24h"}})', "live"),
            Query(f'max by (camera_id) (camera:maskwatch_fresh:ratio{{{CAMERA}, window="24h"}})', "fresh"),
            unit="short",
            width=12,
            **columns("camera_id", "Camera", shown, links),
        ),
    )


def _frames(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    dropped = Steps(GREEN, ((limits["dropped_share"], RED),))
    return (
        lines(
            "Frame rate",
            "Frames per second that are captured for analysis, and that the camera delivers (dashed). The first "
            "should be the camera's fps setting; less means a camera that delivers less than it announces.",
            Query(f"max by (camera_id) (maskwatch_camera_fps{{{CAMERA}}})", "{{camera_id}}"),
            Query(f"max by (camera_id) (maskwatch_camera_source_fps{{{CAMERA}}})", "{{camera_id}} delivers"),
            unit="none",
            decimals=1,
            overrides=(
                {
                    "matcher": {"id": "byRegexp", "options": "/ delivers$/"},
                    "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}],
                },
            ),
        ),
        bars(
            "Frames dropped, by reason",
            "Frames that were not judged. stale and overflow: the detectors do not keep up. busy: the camera's "
            "own process does not. bus_away: Redis did not take them. stopped is normal when a camera is stopped.",
            Query(f"sum by (reason) (increase(maskwatch_frames_dropped_total{{{CAMERA}}}[$__interval]))", "{{reason}}"),
            unit="short",
            decimals=0,
            interval="1m",
        ),
        shares(
            "Share of frames dropped",
            "Of the frames captured in ten minutes, those not judged. Above the dashed line an alert rings.",
            Query(f'camera:maskwatch_frames_dropped:ratio{{{CAMERA}, window="10m"}}', "{{camera_id}}"),
            steps=dropped,
            custom=LIMITS,
        ),
        bars(
            "Reconnects",
            "How often each camera was connected to anew. Many with short breaks: a camera or switch that "
            "restarts, or a limit of its connections.",
            Query(
                f"sum by (camera_id) (increase(maskwatch_camera_reconnects_total{{{CAMERA}}}[$__interval]))",
                "{{camera_id}}",
            ),
            unit="short",
            decimals=0,
        ),
    )


def _picture(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    known = Steps(RED, ((limits["coverage_low"], ORANGE), (0.75, GREEN)))
    faces = f"increase(maskwatch_faces_total{{{CAMERA}"
    return (
        shares(
            "Faces of which nothing can be said",
            "Share of the faces found that are too small, turned away, hidden or doubtful. Near one all day: move "
            "the camera, or its light.",
            Query(
                f'sum by (camera_id) ({faces}, state="unknown"}}[$__rate_interval]))\n'
                f"  / (sum by (camera_id) ({faces}}}[$__rate_interval])) > 0)",
                "{{camera_id}}",
            ),
            width=8,
            interval="1m",
            links=(PAGE_LINK,),
        ),
        shares(
            "Coverage",
            "Share of the people of the last 15 minutes of whom something could be said.",
            Query(f"max by (camera_id) (maskwatch_coverage_ratio{{{CAMERA}}})", "{{camera_id}}"),
            width=8,
            steps=known,
            custom=LIMITS,
        ),
        lines(
            "Faces that never move",
            "Posters, paintings and screens in the newest picture. They open nothing; a zone with `mode: ignore` "
            "around them is cleaner.",
            Query(f"max by (camera_id) (maskwatch_still_faces{{{CAMERA}}})", "{{camera_id}}"),
            unit="short",
            width=8,
            decimals=0,
        ),
        bars(
            "Faces by state",
            "Faces judged in each interval. One person is many faces: look at the dashboard Compliance for people.",
            Query(f"sum by (state) ({faces}}}[$__interval]))", "{{state}}"),
            unit="short",
            width=12,
            decimals=0,
            interval="1m",
            overrides=tuple(colored(state, color) for state, color in STATE_COLOURS.items()),
        ),
        shares(
            "Frames in which nothing moved",
            "Share of the frames that the motion gate answered without a look at the models; 0 where it is off.",
            Query(
                f"sum by (camera_id) (rate(maskwatch_frames_unchanged_total{{{CAMERA}}}[$__rate_interval]))\n"
                f"  / (sum by (camera_id) (rate(maskwatch_frames_observed_total{{{CAMERA}}}[$__rate_interval])) > 0)",
                "{{camera_id}}",
            ),
        ),
    )
