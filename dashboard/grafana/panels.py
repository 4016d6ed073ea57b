"""What a dashboard is made of, in a few words; `to_json` turns them into Grafana's classic dashboard JSON.

Grafana's own schema package checks the result (`tests/integration/test_grafana_schema.py`), so this knows only the part
of it that these dashboards use. A panel without a description, a query without a legend and a number without a unit
cannot be written down here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

DATA_SOURCE: Json = {"type": "prometheus", "uid": "${DS}"}
GREEN, ORANGE, RED, BLUE, PURPLE, YELLOW, GREY = (
    "green", "orange", "red", "blue", "purple", "yellow", "#8e8e8e",
)  # fmt: skip

STATE_COLOURS = {"mask": GREEN, "no_mask": RED, "incorrect": ORANGE, "unknown": GREY}
"""Of people, everywhere the same, and the same as on the page."""

CAMERA_STATES = {
    1: ("live", GREEN),
    2: ("connecting", BLUE),
    3: ("stalled", YELLOW),
    4: ("frozen", PURPLE),
    5: ("covered", ORANGE),
    6: ("offline", RED),
}
"""By the number that the rule `camera:maskwatch_state:code` records."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of a panel."""

    expr: str
    legend: str
    instant: bool = False
    kind: str = "time_series"  # or table, heatmap


@dataclass(frozen=True, slots=True)
class Steps:
    """Colours of a value: the first below all limits, each other from its limit on."""

    first: str
    then: tuple[tuple[float, str], ...] = ()

    def to_json(self) -> Json:
        """Return Grafana's thresholds."""
        steps = [{"value": None, "color": self.first}, *({"value": at, "color": color} for at, color in self.then)]
        return {"mode": "absolute", "steps": steps}


PLAIN = Steps(BLUE)
LIMITS: Json = {"thresholdsStyle": {"mode": "dashed"}}
"""Has curves show their steps as dashed lines."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads; `url` may hold variables."""

    title: str
    url: str

    def to_json(self) -> Json:
        """Return Grafana's data link."""
        return {"title": self.title, "url": self.url, "targetBlank": True}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what it shows, in which unit, and what that means."""

    kind: str  # of Grafana's panels
    title: str
    about: str  # the description: what it means and what to do about it
    queries: tuple[Query, ...]
    unit: str
    width: int  # of 24 columns
    height: int = 8
    steps: Steps = PLAIN
    lowest: float | None = None
    highest: float | None = None
    decimals: int | None = None
    mappings: tuple[Json, ...] = ()
    custom: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    links: tuple[Link, ...] = ()
    no_value: str = ""
    color: str = "palette-classic"
    time_from: str | None = None
    repeat: str | None = None
    interval: str | None = None

    def to_json(self, number: int, left: int, top: int) -> Json:
        """Return Grafana's panel, at a place on the grid."""
        defaults: Json = {"unit": self.unit, "thresholds": self.steps.to_json(), "color": {"mode": self.color}}
        optional = {
            "min": self.lowest,
            "max": self.highest,
            "decimals": self.decimals,
            "noValue": self.no_value or None,
        }
        defaults |= {name: value for name, value in optional.items() if value is not None}
        defaults |= {"mappings": list(self.mappings), "custom": self.custom}
        defaults |= {"links": [link.to_json() for link in self.links]}
        panel: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": DATA_SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": left, "y": top},
            "targets": [_target(each, place) for place, each in enumerate(self.queries)],
            "fieldConfig": {"defaults": defaults, "overrides": list(self.overrides)},
            "options": self.options,
            "transformations": list(self.transformations),
        }
        extra = {"timeFrom": self.time_from, "repeat": self.repeat, "interval": self.interval}
        panel |= {name: value for name, value in extra.items() if value is not None}
        return panel | ({"repeatDirection": "h"} if self.repeat else {})


def stat(title: str, about: str, *queries: Query, unit: str, width: int = 4, **more: Any) -> Panel:
    """Build a large number, coloured by its steps."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "center",
        "textMode": "auto" if len(queries) == 1 else "value_and_name",
        "wideLayout": True,
        "orientation": "auto",
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }
    chosen: Json = {"height": 5, "color": "thresholds", "options": options} | more
    return Panel("stat", title, about, queries, unit, width, **chosen)


def lines(title: str, about: str, *queries: Query, unit: str, width: int = 12, **more: Any) -> Panel:
    """Build curves over time."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 0,
        "showPoints": "never",
        "spanNulls": False,
        "lineInterpolation": "linear",
        "axisSoftMin": 0,
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom |= more.pop("custom", {})
    return Panel("timeseries", title, about, queries, unit, width, custom=custom, options=options, **more)


def shares(title: str, about: str, *queries: Query, **more: Any) -> Panel:
    """Build curves of shares, from nothing to all."""
    return lines(title, about, *queries, unit="percentunit", lowest=0, highest=1, **more)


def bars(title: str, about: str, *queries: Query, unit: str, width: int = 12, **more: Any) -> Panel:
    """Build stacked bars over time, one for each interval."""
    custom = {"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 80, "stacking": {"mode": "normal", "group": "A"}}
    return lines(title, about, *queries, unit=unit, width=width, **({"custom": custom, "interval": "5m"} | more))


def heat(title: str, about: str, query: Query, *, unit: str, width: int = 6, **more: Any) -> Panel:
    """Build a heat map of a histogram's buckets: time to the right, buckets upwards, colour by count."""
    options = {
        "calculate": False,
        "color": {
            "mode": "scheme",
            "scheme": "Blues",
            "steps": 32,
            "fill": "dark-blue",
            "exponent": 0.5,
            "reverse": False,
        },
        "cellGap": 1,
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
        "legend": {"show": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
    }
    buckets = replace(query, kind="heatmap")
    return Panel("heatmap", title, about, (buckets,), unit, width, options=options, **more)


def table(title: str, about: str, *queries: Query, unit: str, width: int = 24, **more: Any) -> Panel:
    """Build a table of instant values: one row for what the queries' labels have in common."""
    options = {"showHeader": True, "cellHeight": "sm"}
    asked = tuple(replace(query, kind="table", instant=True) for query in queries)
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "minWidth": 80}
    defaults = {"custom": custom, "color": "thresholds"}
    return Panel("table", title, about, asked, unit, width, options=options, **(defaults | more))


def columns(key: str, title: str, shown: dict[str, Json], links: tuple[Json, ...] = ()) -> Json:
    """Join a table's queries into one row for each value of a label, a column for each query.

    Args:
        key: the only label of every query's result; Grafana joins on all that they share.
        title: of the column that shows it.
        shown: properties by title, in the order of the queries.
        links: where a click on the label leads.
    """
    names = {key: title} | {f"Value #{chr(ord('A') + place)}": name for place, name in enumerate(shown)}
    arranged = {
        "excludeByName": {"Time": True},
        "indexByName": {name: place for place, name in enumerate(names)},
        "renameByName": names,
    }
    return {
        "transformations": ({"id": "merge", "options": {}}, {"id": "organize", "options": arranged}),
        "overrides": (*(on(name, **properties) for name, properties in shown.items()), on(title, links=list(links))),
    }


def timeline(title: str, about: str, query: Query, *, width: int = 24, **more: Any) -> Panel:
    """Build a band for each camera, coloured by its state."""
    options = {
        "mergeValues": True,
        "showValue": "never",
        "alignValue": "left",
        "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    custom = {"lineWidth": 0, "fillOpacity": 80}
    return Panel(
        "state-timeline", title, about, (query,), "short", width, options=options, custom=custom,
        mappings=(value_map(CAMERA_STATES),), **({"color": "thresholds"} | more),
    )  # fmt: skip


def value_map(words: dict[int, tuple[str, str]]) -> Json:
    """Show numbers as words, each in its colour."""
    shown = {str(number): {"text": text, "color": color, "index": number} for number, (text, color) in words.items()}
    return {"type": "value", "options": shown}


def on(name: str, **properties: Any) -> Json:
    """Let one series or column look different: `on("lower", custom__lineWidth=0)`."""
    changed = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": changed}


def dashed(name: str, color: str = GREY) -> Json:
    """Draw one series thin and dashed: a limit, or what others are compared with."""
    return colored(name, color, custom__lineStyle={"fill": "dash", "dash": [8, 8]}, custom__lineWidth=1)


def colored(name: str, color: str, **properties: Any) -> Json:
    """Give one series its colour."""
    return on(name, color={"mode": "fixed", "fixedColor": color}, **properties)


def _target(query: Query, place: int) -> Json:
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATA_SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "format": query.kind,
        "instant": query.instant,
        "range": not query.instant,
    }
