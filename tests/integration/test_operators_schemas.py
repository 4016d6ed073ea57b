"""The objects that the chart makes for KEDA and for Prometheus' operator, held against what these operators publish.

Twice: their types refuse a field that does not exist or is missing, and their schemas a value that breaks a pattern.
"""

from __future__ import annotations

import copy
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import require_program
from tests.typescript import faults, npm_project
from tests.unit.deploy.test_helm import rendered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.npm, pytest.mark.timeout(300)]

Object = dict[str, Any]

OPERATOR = "@kubernetes-models/prometheus-operator"
KEDA = "@kubernetes-models/keda"
PACKAGES = (f"{OPERATOR}@6.0.0", f"{KEDA}@0.4.2")
MODULES = {
    "ScaledObject": f"{KEDA}/keda.sh/v1alpha1",
    "ServiceMonitor": f"{OPERATOR}/monitoring.coreos.com/v1",
    "PrometheusRule": f"{OPERATOR}/monitoring.coreos.com/v1",
}
"""Where each kind of object that is not Kubernetes' own is published."""


def made() -> dict[str, Object]:
    """Return the objects of these operators in the installation that has all of them, by kind."""
    others = [each for each in rendered("large") if "keda.sh" in each["apiVersion"] or "coreos" in each["apiVersion"]]
    return {each["kind"]: each for each in others}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the operators' types and schemas: 60 MB, outside the repository."""
    return npm_project(tmp_path_factory.mktemp("operators"), *PACKAGES)


def as_typescript(each: Object) -> str:
    """Write an object as a literal of its published type."""
    kind = each["kind"]
    return f"import type {{ I{kind} }} from '{MODULES[kind]}';\nexport const it: I{kind} = {json.dumps(each)};"


def refused(project: Path, objects: dict[str, Object]) -> dict[str, str]:
    """Validate objects by the published schemas; returns what is said of those that break them, by name."""
    imports = "".join(f"import {{ {kind} }} from '{module}';\n" for kind, module in MODULES.items())
    loop = (
        f"const kinds = {{ {', '.join(MODULES)} }}, said = {{}};\n"
        f"for (const [name, it] of Object.entries({json.dumps(objects)})) {{\n"
        "  try { new kinds[it.kind](it).validate(); } catch (error) { said[name] = error.message; }\n"
        "}\nconsole.log(JSON.stringify(said));\n"
    )
    (project / "check.mjs").write_text(imports + loop)
    command = [require_program("node"), "check.mjs"]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    said: dict[str, str] = json.loads(run.stdout)
    return said


def test_the_operators_take_what_the_chart_makes(project: Path) -> None:
    """A ScaledObject, a ServiceMonitor and a PrometheusRule are made, of the published types, and keep the schemas."""
    assert made().keys() == MODULES.keys()
    assert faults(project, {kind: as_typescript(each) for kind, each in made().items()}) == ""
    assert refused(project, made()) == {}


UNKNOWN: dict[str, Callable[[Object], object]] = {
    "ScaledObject": lambda it: it["spec"].update(maxReplicas=3),
    "ServiceMonitor": lambda it: it["spec"]["endpoints"][0]["relabelings"][0].update(target="site"),
    "PrometheusRule": lambda it: it["spec"]["groups"][0]["rules"][0].update(severity="info"),
}
BROKEN: dict[str, Callable[[Object], object]] = {
    "ScaledObject": lambda it: it["spec"].update(triggers="prometheus"),
    "ServiceMonitor": lambda it: it["spec"]["endpoints"][0].update(interval="15 seconds"),
    "PrometheusRule": lambda it: it["spec"]["groups"][0].update(interval="soon"),
}


def test_mistakes_are_found(project: Path) -> None:
    """A field that does not exist is refused in each kind of object, and so is a value that breaks its schema."""
    spoilt: dict[str, dict[str, Object]] = {}
    for name, mistakes in (("unknown", UNKNOWN), ("broken", BROKEN)):
        spoilt[name] = copy.deepcopy(made())
        for kind, spoil in mistakes.items():
            spoil(spoilt[name][kind])
    said = faults(project, {f"wrong_{kind}": as_typescript(each) for kind, each in spoilt["unknown"].items()})
    assert [kind for kind in MODULES if f"wrong_{kind}.ts(" not in said] == []
    assert refused(project, spoilt["broken"]).keys() == MODULES.keys()
