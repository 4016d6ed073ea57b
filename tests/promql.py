"""Reads PromQL: which series an expression asks for, and which labels its result has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser
import yaml

from maskwatch.domain import CameraState, DropReason, EventKind, MaskState
from maskwatch.metrics import METRICS, Kind
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Labels = frozenset[str]

PROMETHEUS = ROOT / "deploy" / "prometheus"
SCRAPED = frozenset({"job", "instance", "site"})
"""Labels that the scrape configuration adds to every series."""

STAGES = ("capture", "ingest", "queue", "judge", "fold")
TROUBLES = ("unreported", "no_detector", "behind", "dropping", "losing")
VALUES: dict[tuple[str, str], set[Any]] = {
    ("maskwatch_camera_state", "state"): set(CameraState),
    ("maskwatch_people_judged_total", "state"): set(MaskState),
    ("maskwatch_faces_total", "state"): set(MaskState),
    ("maskwatch_frames_dropped_total", "reason"): set(DropReason),
    ("maskwatch_episodes_open", "kind"): set(EventKind),
    ("maskwatch_episodes_opened_total", "kind"): set(EventKind),
    ("maskwatch_stage_seconds_bucket", "stage"): set(STAGES),
    ("maskwatch_pipeline_degraded", "reason"): set(TROUBLES),
    ("camera:maskwatch_people:increase", "state"): set(MaskState),
    ("site:maskwatch_people:increase", "state"): set(MaskState),
}
"""What labels with few values can be."""

VARIABLES = {
    "$__rate_interval": "1m",
    "$__interval": "1m",
    "$__range": "28d",
    "$site": "main",
    "$camera": ".*",
    "$range": "5m",
    "$ahead": "0",
}


class NotExported(Exception):
    """An expression asks for what the code does not export."""


def filled_in(expr: str, **chosen: str) -> str:
    """Replace Grafana's variables."""
    for name, value in (VARIABLES | {f"${key}": value for key, value in chosen.items()}).items():
        expr = expr.replace(name, value)
    return expr


def rules(file: str) -> list[dict[str, Any]]:
    """Return the rules of one of our files, in order."""
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@dataclass(frozen=True, slots=True)
class Exported:
    """Labels by name of every series that exists: scraped or recorded."""

    series: Mapping[str, Labels]
    values: Mapping[tuple[str, str], set[str]]

    def labels(self, expr: str) -> Labels:
        """Return the labels of an expression's result; raises NotExported for a name, label or value not there."""
        return self._of(promql_parser.parse(expr))

    def _of(self, node: Any) -> Labels:
        match type(node).__name__:
            case "VectorSelector":
                return self._selected(node)
            case "MatrixSelector":
                return self._of(node.vector_selector)
            case "SubqueryExpr" | "ParenExpr" | "UnaryExpr":
                return self._of(node.expr)
            case "AggregateExpr":
                return self._aggregated(node)
            case "BinaryExpr":
                return self._joined(node)
            case "Call":
                return self._called(node)
            case _:
                return frozenset()

    def _selected(self, node: Any) -> Labels:
        labels = self.series.get(node.name)
        if labels is None:
            raise NotExported(f"nothing exports {node.name}")
        for matcher in node.matchers.matchers:
            _require({matcher.name}, labels, node.name)
            known = self.values.get((node.name, matcher.name)) or self.values.get(("", matcher.name))
            asked = set(matcher.value.split("|"))
            if known is not None and not asked <= known:
                raise NotExported(f"{node.name} has no {matcher.name} {asked - known}")
        return labels

    def _aggregated(self, node: Any) -> Labels:
        inner = self._of(node.expr)
        made = {node.param.val} if type(node.param).__name__ == "StringLiteral" else set()
        if node.modifier is None:
            return frozenset(made)
        named = set(node.modifier.labels)
        _require(named, inner, "by or without")
        return frozenset((named if str(node.modifier.type).endswith("By") else inner - named) | made)

    def _joined(self, node: Any) -> Labels:
        left, right = self._of(node.lhs), self._of(node.rhs)
        rule = node.modifier
        if rule is None or rule.matching is None:
            if left and right and left != right:  # such series never meet
                raise NotExported(f"{sorted(left)} and {sorted(right)} do not match in {node.prettify()}")
            return left or right
        named, extra = set(rule.matching.labels), set(rule.group_labels or ())
        _require(named, left & right, "on or ignoring")
        _require(extra, left | right, "group_left or group_right")
        return right | extra if str(rule.card).endswith("OneToMany") else left | extra

    def _called(self, node: Any) -> Labels:
        inner: set[str] = set()
        for argument in node.args:
            inner |= self._of(argument)
        if node.func.name == "histogram_quantile":
            _require({"le"}, inner, "histogram_quantile")
            return frozenset(inner - {"le"})
        if node.func.name == "label_replace":
            inner |= {node.args[1].val}
        return frozenset() if node.func.name in {"absent", "scalar", "vector", "time"} else frozenset(inner)


def exported() -> Exported:
    """Collect what the code's table and the recording rules give."""
    series = {"up": frozenset({"job", "instance", "site"})} | dict(_scraped())
    values = {key: {str(each) for each in known} for key, known in VALUES.items()}
    for file in ("thresholds.yaml", "rules.yaml"):
        for rule in rules(file):
            found = Exported(series, values)
            name, own = rule["record"], rule.get("labels", {})
            labels = found.labels(rule["expr"]) | own.keys()
            if series.setdefault(name, labels) != labels:
                raise NotExported(f"{name} is recorded with different labels")
            for label, value in own.items():
                values.setdefault((name, label), set()).add(value)
                values.setdefault(("", label), set()).add(value)  # for what is recorded from this
    return Exported(series, values)


def _scraped() -> Iterator[tuple[str, Labels]]:
    for metric in METRICS:
        labels = SCRAPED | set(metric.labels)
        if metric.kind is Kind.HISTOGRAM:
            yield from ((metric.name + end, labels) for end in ("_sum", "_count"))
            yield f"{metric.name}_bucket", labels | {"le"}
        else:
            yield metric.name, labels


def _require(wanted: set[str], labels: Labels | set[str], where: str) -> None:
    if not wanted <= labels:
        raise NotExported(f"{where}: no label {sorted(wanted - labels)}, there are {sorted(labels)}")


def template_labels(text: str) -> set[str]:
    """Return the labels that a template of an alert names, or a legend of Grafana."""
    return {one or other for one, other in re.findall(r"\$labels\.(\w+)|\{\{\s*(\w+)\s*\}\}", text)}
