"""Writes a dashboard as TypeScript literals of the types in Grafana's own schema package, for `tsc` to check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
import * as g from '@grafana/schema';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeline from
  '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as timeseries from
  '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON holds the words of enums, and TypeScript wants their names: take the words.
type Words<T> = T extends string ? `${T}` : T extends (infer U)[] ? Words<U>[]
  : T extends object ? { [K in keyof T]: Words<T[K]> } : T;
type Drop<T> = { [K in keyof T as string extends K ? never : K]: T[K] };  // the index that lets everything pass
"""

OPTIONS = {
    "heatmap": ("Omit<heatmap.Options, 'annotations'>", "heatmap.FieldConfig"),
    "stat": ("stat.Options", "{}"),
    "table": ("Omit<table.Options, 'frameIndex'>", "g.TableFieldOptions"),
    "state-timeline": ("Omit<timeline.Options, 'annotations'>", "timeline.FieldConfig"),
    "timeseries": ("Omit<timeseries.Options, 'annotations'>", "timeseries.FieldConfig"),
}
"""Types of `options` and of `fieldConfig.defaults.custom`, by the kind of panel."""

OF_PROMETHEUS = {"expr", "step", "tagKeys", "textFormat", "titleFormat"}


def as_typescript(board: dict[str, Any]) -> str:
    """Return a module in which every part of a dashboard has the type that Grafana gives it."""
    lines = [HEAD, _constant("board", "Words<g.Dashboard>", _without_plugin_s_own(board))]
    for panel in board["panels"]:
        name = f"panel{panel['id']}"
        if panel["type"] == "row":
            lines.append(_constant(name, "Words<Drop<g.RowPanel>>", panel))
            continue
        options, custom = OPTIONS[panel["type"]]
        defaults = panel["fieldConfig"]["defaults"]
        lines.append(_constant(name, "Words<Drop<g.Panel>>", panel))
        lines.append(_constant(f"{name}_options", f"Words<{options}>", panel["options"]))
        lines.append(_constant(f"{name}_custom", f"Partial<Words<{custom}>>", defaults["custom"]))
        lines.append(
            _constant(f"{name}_field", "Words<Drop<Omit<g.FieldConfig, 'custom'>>>", _without_custom(defaults))
        )
        lines += _overrides(name, panel["fieldConfig"]["overrides"], custom)
    return "\n".join(lines)


def _overrides(name: str, overrides: list[dict[str, Any]], custom: str) -> Iterator[str]:
    for number, override in enumerate(overrides):
        for place, changed in enumerate(override["properties"]):
            own = changed["id"].removeprefix("custom.")
            of = custom if own != changed["id"] else "g.FieldConfig"
            yield _constant(f"{name}_{number}_{place}", f"NonNullable<Words<{of}>['{own}']>", changed["value"])


def _without_plugin_s_own(board: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the Prometheus data source reads of an annotation: its types are not in the package."""
    listed = [
        {key: value for key, value in each.items() if key not in OF_PROMETHEUS} for each in board["annotations"]["list"]
    ]
    return board | {"annotations": {"list": listed}}


def _without_custom(defaults: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in defaults.items() if key != "custom"}


def _constant(name: str, of: str, value: Any) -> str:
    return f"export const {name}: {of} = {json.dumps(value)};"
