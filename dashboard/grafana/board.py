"""A whole dashboard: variables, links, annotations, and panels in rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.grafana.panels import BLUE, DATA_SOURCE, RED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.grafana.panels import Json, Panel

PAGE = "http://127.0.0.1:8080"
"""Where `maskwatch dashboard` answers unless told otherwise; `python -m dashboard.grafana --page` writes another."""

WINDOWS = ("5m", "1h", "24h")
"""What the recording rules look back on."""

SCHEMA_VERSION = 41
SITE = 'site="$site"'
CAMERA = 'site="$site", camera_id=~"$camera"'


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, at most 24 columns wide, under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    begins: str = "now-24h"
    has_window: bool = False

    def to_json(self, page: str = PAGE) -> Json:
        """Return Grafana's dashboard; `page` is the address of maskwatch's own web page."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["maskwatch"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "timezone": "browser",
            "fiscalYearStartMonth": 0,
            "time": {"from": self.begins, "to": "now"},
            "timepicker": {},
            "templating": {"list": list(_variables(page, has_window=self.has_window))},
            "annotations": {"list": ANNOTATIONS},
            "links": LINKS,
            "panels": list(_laid_out(self.rows)),
        }


ANNOTATIONS: list[Json] = [
    {
        "name": "Episodes",
        "datasource": DATA_SOURCE,
        "enable": True,
        "iconColor": RED,
        "expr": f'sum by (camera_id) (maskwatch_episodes_open{{{CAMERA}, kind="no_mask"}}) > 0',
        "step": "15s",
        "titleFormat": "Somebody without a mask",
        "textFormat": "{{camera_id}}",
        "tagKeys": "camera_id",
    },
    {
        "name": "Offline",
        "datasource": DATA_SOURCE,
        "enable": True,
        "iconColor": BLUE,
        "expr": f'max by (camera_id) (maskwatch_camera_state{{{CAMERA}, state="offline"}}) > 0',
        "step": "15s",
        "titleFormat": "Camera offline",
        "textFormat": "{{camera_id}}",
        "tagKeys": "camera_id",
    },
]

LINKS: list[Json] = [
    {
        "type": "dashboards",
        "title": "maskwatch",
        "tags": ["maskwatch"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    },
    {
        "type": "link",
        "title": "Live page",
        "url": "${page}/",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
        "icon": "external link",
        "tooltip": "The wall of live pictures, the events, and the subscriptions",
    },
]


def _variables(page: str, *, has_window: bool) -> Iterator[Json]:
    yield {"name": "DS", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}
    yield _asked("site", "Site", "label_values(maskwatch_build_info, site)", many=False)
    yield _asked("camera", "Camera", f"label_values(maskwatch_camera_state{{{SITE}}}, camera_id)", many=True)
    if has_window:
        options = [{"text": each, "value": each, "selected": each == "1h"} for each in WINDOWS]
        yield {
            "name": "range",
            "label": "Averaged over",
            "type": "custom",
            "query": ",".join(WINDOWS),
            "options": options,
            "current": options[1],
        }
        zones = [{"text": f"{hour:+d}", "value": str(hour), "selected": hour == 0} for hour in range(-11, 15)]
        yield {
            "name": "ahead",
            "label": "Hours ahead of UTC",
            "description": "Prometheus knows UTC alone: this moves the hours of the heat map. Mind summer time.",
            "type": "custom",
            "query": ",".join(f"{each['text']} : {each['value']}" for each in zones),
            "options": zones,
            "current": zones[11],
        }
    yield {
        "name": "page",
        "label": "Page",
        "description": "Address of maskwatch's own web page, for links.",
        "type": "textbox",
        "query": page,
        "current": {"text": page, "value": page},
    }


def _asked(name: str, label: str, query: str, *, many: bool) -> Json:
    variable: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
    }
    return variable | ({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if many else {})


def _laid_out(rows: tuple[Row, ...]) -> Iterator[Json]:
    number, top = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"h": 1, "w": 24, "x": 0, "y": top},
            "panels": [],
        }
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > 24:
                left, top, tallest = 0, top + tallest, 0
            yield panel.to_json(number, left, top)
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest
