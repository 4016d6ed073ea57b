"""The dashboard of the safety lead: how many wear a mask, how sure that is, where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.grafana.board import CAMERA, SITE, Board, Row
from dashboard.grafana.panels import (
    CAMERA_STATES,
    GREEN,
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
    dashed,
    on,
    shares,
    stat,
    table,
    value_map,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.grafana.panels import Json

WINDOW = 'window="$range"'
TARGET = Query('max(maskwatch:threshold{name="compliance_target"})', "target")
CAMERA_PAGE = "${page}/cameras/"

DAYS = dict(enumerate([(name, "text") for name in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]))

BUSY_HOURS = f"""\
avg by (day, hour) (
  avg_over_time((
    label_replace(
      sum(site:maskwatch_people:increase{{{SITE}, window="1h"}})
        * on () group_right () count_values("hour", hour(vector(time() - 1800 + 3600 * $ahead))),
      "hour", "0$1", "hour", "(.)"
    )
    * on () group_left (day)
      count_values("day", (day_of_week(vector(time() - 1800 + 3600 * $ahead)) + 6) % 7)
  )[$__range:1h])
)"""
"""People in each hour of the week, on average over the weeks looked at: the sum of an hour is taken as it ends, and
named by the middle of the hour. Hours get two digits, so that they sort."""


def compliance(limits: Mapping[str, float]) -> Board:
    """Build it with the thresholds' numbers."""
    target = limits["compliance_target"]
    rates = Steps(RED, ((target - 0.1, ORANGE), (target, GREEN)))
    known = Steps(RED, ((limits["coverage_low"], ORANGE), (0.75, GREEN)))
    return Board(
        uid="maskwatch-compliance",
        title="maskwatch: Compliance",
        about="How many people wear a mask, how sure that is, where and when. Counted from people, not from frames.",
        has_window=True,
        rows=(
            Row("Site $site, the last $range", _now(rates, known)),
            Row("Trend", _trend()),
            Row("Cameras", (_cameras(rates, known),)),
            Row("People and episodes", _people(known)),
        ),
    )


def _now(rates: Steps, known: Steps) -> tuple[Panel, ...]:
    return (
        stat(
            "Compliance",
            "Masked share of the people of whom something could be said, over the time chosen above, all cameras "
            "of the site. Rather too low than too high: masked faces are missed more often than bare ones.",
            Query(f"site:maskwatch_compliance:ratio{{{SITE}, {WINDOW}}}", "compliance"),
            unit="percentunit",
            decimals=0,
            steps=rates,
            no_value="nobody",
        ),
        stat(
            "How sure",
            "Compliance lies between these with a probability of 95 % (Wilson's interval). Few people make it wide. "
            "Compare two days only where their intervals do not overlap.",
            Query(f"site:maskwatch_compliance:lower{{{SITE}, {WINDOW}}}", "at least"),
            Query(f"site:maskwatch_compliance:upper{{{SITE}, {WINDOW}}}", "at most"),
            unit="percentunit",
            width=6,
            decimals=0,
            steps=rates,
            no_value="nobody",
        ),
        stat(
            "People judged",
            "People of whom something could be said. Each is counted once when out of view; who comes back, or "
            "stands before two cameras, counts again.",
            Query(f"site:maskwatch_people_known:increase{{{SITE}, {WINDOW}}}", "people"),
            unit="short",
            decimals=0,
        ),
        stat(
            "Coverage",
            "Share of all people seen of whom something could be said; the others were too small, turned away or "
            "doubtful. Under a half, the compliance says little about the site.",
            Query(f"site:maskwatch_coverage:ratio{{{SITE}, {WINDOW}}}", "coverage"),
            unit="percentunit",
            decimals=0,
            steps=known,
            no_value="nobody",
        ),
        stat(
            "In view now",
            "People in the newest pictures of the chosen cameras.",
            Query(f"sum(maskwatch_people_in_view{{{CAMERA}}})", "people"),
            unit="short",
            width=3,
            decimals=0,
        ),
        stat(
            "Open episodes",
            "People without a mask in view now, of whom that is sure enough. The page shows them.",
            Query(f'sum(maskwatch_episodes_open{{{CAMERA}, kind="no_mask"}})', "episodes"),
            unit="short",
            width=3,
            decimals=0,
            steps=Steps(GREEN, ((1, RED),)),
            links=(Link("Events on the page", "${page}/events"),),
        ),
    )


def _trend() -> tuple[Panel, ...]:
    band = {"custom__lineWidth": 0}
    return (
        shares(
            "Compliance of the site, with its interval",
            "The line is the masked share over the time chosen above, up to each moment; the band is where it "
            "lies with a probability of 95 %. A wide band means few people. Dashed: the target. Gaps: nobody came "
            "by.",
            Query(f"site:maskwatch_compliance:upper{{{SITE}, {WINDOW}}}", "at most"),
            Query(f"site:maskwatch_compliance:lower{{{SITE}, {WINDOW}}}", "at least"),
            Query(f"site:maskwatch_compliance:ratio{{{SITE}, {WINDOW}}}", "compliance"),
            TARGET,
            height=9,
            overrides=(
                colored("at most", "blue", custom__fillBelowTo="at least", custom__fillOpacity=18, **band),
                colored("at least", "blue", **band),
                colored("compliance", "blue", custom__lineWidth=3),
                dashed("target", "text"),
            ),
        ),
        shares(
            "Compliance per camera",
            "The same for each chosen camera, without its band: see the table for how sure each is.",
            Query(f"camera:maskwatch_compliance:ratio{{{CAMERA}, {WINDOW}}}", "{{camera_id}}"),
            TARGET,
            height=9,
            overrides=(dashed("target", "text"),),
            links=(Link("${__field.labels.camera_id} on the page", CAMERA_PAGE + "${__field.labels.camera_id}"),),
        ),
    )


def _cameras(rates: Steps, known: Steps) -> Panel:
    links = (
        {"title": "On the page", "url": CAMERA_PAGE + "${__value.text}", "targetBlank": True},
        {
            "title": "In the dashboard Cameras",
            "url": "/d/maskwatch-cameras?var-site=${site}&var-camera=${__value.text}&${__url_time_range}",
        },
    )
    shown = {
        "State": {"mappings": [value_map(CAMERA_STATES)], "custom__cellOptions": {"type": "color-text"}},
        "Compliance": _share(rates),
        "At least": _share(rates),
        "At most": _share(rates),
        "People judged": {"decimals": 0},
        "Coverage": _share(known),
        "Open episodes": {"decimals": 0},
    }

    def of(series: str) -> str:
        return f"max by (camera_id) (camera:maskwatch_{series}{{{CAMERA}, {WINDOW}}})"

    return table(
        "Cameras",
        "One row for each chosen camera; compliance, interval, people and coverage over the time chosen above. A "
        "click on a camera leads to its live picture on the page, or to the dashboard Cameras.",
        Query(f"max by (camera_id) (camera:maskwatch_state:code{{{CAMERA}}})", "state"),
        Query(of("compliance:ratio"), "compliance"),
        Query(of("compliance:lower"), "at least"),
        Query(of("compliance:upper"), "at most"),
        Query(of("people_known:increase"), "people"),
        Query(of("coverage:ratio"), "coverage"),
        Query(f'sum by (camera_id) (maskwatch_episodes_open{{{CAMERA}, kind="no_mask"}})', "open episodes"),
        unit="short",
        **columns("camera_id", "Camera", shown, links),
    )


def _people(known: Steps) -> tuple[Panel, ...]:
    return (
        bars(
            "People by state",
            "People of the chosen cameras by what was said of them when they left the picture, in each interval. "
            "Grey: nothing could be said.",
            Query(f"sum by (state) (increase(maskwatch_people_judged_total{{{CAMERA}}}[$__interval]))", "{{state}}"),
            unit="short",
            width=8,
            decimals=0,
            overrides=tuple(colored(state, color) for state, color in STATE_COLOURS.items()),
        ),
        bars(
            "Episodes by camera",
            "Episodes opened in each interval: somebody without a mask for longer than the rule's open_after_s, "
            "or too large a share of a crowd.",
            Query(
                f'sum by (camera_id) (increase(maskwatch_episodes_opened_total{{{CAMERA}, kind=~"no_mask|crowd"}}'
                "[$__interval]))",
                "{{camera_id}}",
            ),
            unit="short",
            width=8,
            decimals=0,
            links=(Link("Events of the camera on the page", "${page}/events?camera=${__field.labels.camera_id}"),),
        ),
        shares(
            "Coverage",
            "Share of the people seen of whom something could be said, per camera. A camera that stays low sees "
            "faces too small, too dark or from the side: its page says why.",
            Query(f"camera:maskwatch_coverage:ratio{{{CAMERA}, {WINDOW}}}", "{{camera_id}}"),
            width=8,
            steps=known,
        ),
        table(
            "Busiest hours",
            "People in each hour of the week, on average over the last four weeks (or as long as Prometheus "
            "keeps). Put guards where it is dark; set `Hours ahead of UTC` above to your clock. Empty until the "
            "first hour is full.",
            Query(BUSY_HOURS, "{{day}} {{hour}}"),
            unit="short",
            height=10,
            decimals=0,
            time_from="28d",
            color="continuous-blues",
            custom={"align": "center", "cellOptions": {"type": "color-background", "mode": "basic"}, "minWidth": 50},
            overrides=(on("Day", mappings=[value_map(DAYS)], custom__cellOptions={"type": "auto"}),),
            transformations=(
                {"id": "sortBy", "options": {"sort": [{"field": "hour"}]}},
                {
                    "id": "groupingToMatrix",
                    "options": {"columnField": "hour", "rowField": "day", "valueField": "Value", "emptyValue": "null"},
                },
                {"id": "sortBy", "options": {"sort": [{"field": "day\\hour"}]}},
                {
                    "id": "organize",
                    "options": {"excludeByName": {}, "indexByName": {}, "renameByName": {"day\\hour": "Day"}},
                },
            ),
        ),
    )


def _share(steps: Steps) -> Json:
    return {
        "unit": "percentunit",
        "decimals": 0,
        "thresholds": steps.to_json(),
        "custom__cellOptions": {"type": "color-text"},
    }
