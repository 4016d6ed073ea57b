"""Nothing in deploy/ that a test does not read: each file is named here with the test that fails when it is wrong."""

from __future__ import annotations

import ast
import subprocess
from functools import cache

from tests.conftest import ROOT
from tests.programs import require_program

COMPOSE = "unit/deploy/test_compose_files.py"
HELM = "unit/deploy/test_helm.py"
IMAGE = "unit/deploy/test_image.py"
PROMETHEUS = "integration/test_prometheus.py"
RUNNING = "e2e/test_compose.py::test_the_whole_site_runs"
RENDERED = f"{HELM}::test_kubernetes_takes_it"

READ_BY = {
    ".env.example": f"{COMPOSE}::test_every_variable_has_its_default_in_the_example",
    "Dockerfile": f"{IMAGE}::test_the_image_is_of_this_version",
    "alertmanager/alertmanager.yml": f"{PROMETHEUS}::test_alertmanager_takes_our_example",
    "compose.yaml": RUNNING,
    "go2rtc.yaml": f"{COMPOSE}::test_helpers_beside_the_site",
    "grafana/compose.yaml": f"{COMPOSE}::test_grafana_finds_its_dashboards_and_its_data",
    "grafana/provisioning/dashboards/maskwatch.yaml": f"{COMPOSE}::test_grafana_finds_its_dashboards_and_its_data",
    "grafana/provisioning/datasources/maskwatch.yaml": f"{COMPOSE}::test_grafana_outside_a_container",
    "helm/maskwatch/Chart.yaml": f"{HELM}::test_the_chart_is_of_this_version",
    "helm/maskwatch/files/dashboards": f"{HELM}::test_scaling_and_monitoring",
    "helm/maskwatch/files/prometheus": f"{HELM}::test_scaling_and_monitoring",
    "helm/maskwatch/files/users.acl": f"{HELM}::test_redis_users_hold_the_hashes_of_their_passwords",
    "helm/maskwatch/templates/NOTES.txt": f"{HELM}::test_notes_name_what_is_there",
    "helm/maskwatch/templates/_helpers.tpl": f"{HELM}::test_roles_are_those_of_compose",
    "helm/maskwatch/templates/monitoring.yaml": f"{HELM}::test_scaling_and_monitoring",
    "helm/maskwatch/templates/network.yaml": f"{HELM}::test_the_dispatcher_reaches_receivers_and_nobody_reaches_it",
    "helm/maskwatch/templates/roles.yaml": f"{HELM}::test_roles_are_those_of_compose",
    "helm/maskwatch/templates/scaling.yaml": f"{HELM}::test_scaling_and_monitoring",
    "helm/maskwatch/templates/secrets.yaml": f"{HELM}::test_redis_users_hold_the_hashes_of_their_passwords",
    "helm/maskwatch/templates/servers.yaml": f"{HELM}::test_roles_are_those_of_compose",
    "helm/maskwatch/templates/settings.yaml": f"{HELM}::test_settings_are_read_by_the_code",
    "helm/maskwatch/values.schema.json": f"{HELM}::test_lint_and_schema_of_values",
    "helm/maskwatch/values.yaml": RENDERED,
    "image-sizes.sh": f"{IMAGE}::test_sizes_are_printed",
    "models.sha256": f"{IMAGE}::test_models_are_those_that_were_tested",
    "mosquitto.conf": RUNNING,
    "prometheus/alerts.yaml": f"{PROMETHEUS}::test_rules_and_alerts_do_what_they_promise",
    "prometheus/compose.yml": RUNNING,
    "prometheus/prometheus.yml": f"{PROMETHEUS}::test_prometheus_takes_our_configuration",
    "prometheus/rules.yaml": f"{PROMETHEUS}::test_rules_and_alerts_do_what_they_promise",
    "prometheus/thresholds.yaml": f"{PROMETHEUS}::test_rules_and_alerts_do_what_they_promise",
    "redis/users.acl": "integration/test_redis_users.py::test_least_privilege",
    "requirements/build.txt": f"{IMAGE}::test_each_variant_has_one_onnxruntime",
    "requirements/cpu.txt": f"{IMAGE}::test_pins_are_of_what_the_project_asks_for",
    "requirements/dev.txt": f"{IMAGE}::test_pins_are_of_what_the_project_asks_for",
    "requirements/gpu-cuda12.txt": f"{IMAGE}::test_pins_are_of_what_the_project_asks_for",
    "requirements/gpu.txt": f"{IMAGE}::test_pins_are_of_what_the_project_asks_for",
    "requirements/lock.py": f"{IMAGE}::test_pins_are_of_what_the_project_asks_for",
    "requirements/training.txt": f"{IMAGE}::test_pins_are_of_what_the_project_asks_for",
    "sbom.py": f"{IMAGE}::test_bill_of_materials_names_what_is_in_the_image",
    "secrets.sh": f"{COMPOSE}::test_secrets_are_made",
    "settings/cameras.example.yaml": f"{COMPOSE}::test_example_settings_are_right",
    "slim.py": f"{IMAGE}::test_what_is_taken_away",
    "up.sh": f"{IMAGE}::test_from_a_fresh_clone_to_a_running_site",
}


@cache
def names_in(module: str) -> set[str]:
    """Return the names of a test module's tests."""
    tree = ast.parse((ROOT / "tests" / module).read_text())
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}


def test_every_file_is_read() -> None:
    """Each file that deploy/ keeps in git is in the table, nothing else is, and the tests named there exist."""
    command = [require_program("git"), "ls-files", "-z", "--cached", "."]
    listed = subprocess.run(command, cwd=ROOT / "deploy", check=True, capture_output=True, text=True).stdout
    assert {name for name in listed.split("\0") if name} == READ_BY.keys()
    for file, test in READ_BY.items():
        module, _, name = test.partition("::")
        assert name in names_in(module), f"{file}: {test} is not there"
