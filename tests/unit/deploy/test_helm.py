"""The Helm chart, rendered for several installations and held against Kubernetes, the code, and the compose file."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from maskwatch.cli import COMMANDS
from maskwatch.settings_file import parse_settings
from maskwatch.shard import Shard
from tests.conftest import ROOT
from tests.unit.deploy.test_compose_files import services

if TYPE_CHECKING:
    from pathlib import Path

CHART = ROOT / "deploy" / "helm" / "maskwatch"
KUBERNETES = "1.31"
HASH = "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"
(SAMPLE,) = re.findall(r"```yaml\n# values.yaml\n(.*?)```", (ROOT / "docs" / "operator.md").read_text(), re.DOTALL)
CAMERAS = [{"id": "lobby", "source": "rtsp://viewer:${file:/run/cameras/lobby:-}@192.0.2.10/stream1"}]
SITES: dict[str, dict[str, Any]] = {
    "least": {"settings": {"cameras": CAMERAS}},
    "large": {
        "settings": {"cameras": CAMERAS, "time_zone": "Europe/Paris"},
        "ingest": {"replicas": 3},
        "aggregator": {"replicas": 2},
        "detector": {"gpu": True, "nodeSelector": {"gpu": "yes"}, "scaling": {"kind": "keda", "max": 8}},
        "dashboard": {"passwordHash": HASH, "ingress": {"enabled": True}, "trustedProxies": ["10.244.0.0/16"]},
        "monitoring": {"serviceMonitor": True, "rules": True, "dashboards": True},
    },
    "outside": {
        "settings": {"cameras": CAMERAS},
        "redis": {"bundled": False, "existingSecret": "our-redis"},
        "postgresql": {"bundled": False, "existingSecret": "our-postgres"},
        "detector": {"scaling": {"kind": "none"}},
        "networkPolicies": False,
    },
    "sample of the operator's page": yaml.safe_load(SAMPLE.replace("$argon2id$…", HASH)),
}


class EachKeyOnce(yaml.SafeLoader):
    """Refuses a key that stands twice, of which others take the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping."""
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key stands twice among {keys}"
        return super().construct_mapping(node, deep)


@cache
def rendered(site: str) -> list[dict[str, Any]]:
    """All objects that an installation creates."""
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(SITES[site], name="mw", namespace="cameras")
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [tree for text in texts for tree in yaml.load_all(text, EachKeyOnce) if tree]


def found(site: str, kind: str, name: str) -> dict[str, Any]:
    """One object of an installation."""
    (one,) = [each for each in rendered(site) if each["kind"] == kind and each["metadata"]["name"] == name]
    return one


def container(site: str, kind: str, name: str) -> dict[str, Any]:
    """The one container of a workload."""
    (only,) = found(site, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("site", SITES)
def test_kubernetes_takes_it(site: str) -> None:
    """Every object is right by Kubernetes' own schemas, with no field that does not exist, and none is made twice."""
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(site)]
    assert len(names) == len(set(names))
    for each in rendered(site):
        if "keda.sh" not in each["apiVersion"] and "coreos.com" not in each["apiVersion"]:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_lint_and_schema_of_values() -> None:
    """Helm's own lint finds no error, and mistyped, impossible or chart-owned values are refused."""
    said = helm_python.lint(str(CHART), SITES["least"], strict=True)
    assert said["errors"] == []
    assert [each["error"] for each in said["messages"]] == ["icon is recommended"]
    with helm_python.Chart.load(str(CHART)) as chart:
        wrong: list[dict[str, Any]] = [
            {"ingest": {"replica": 2}},
            {"notify": {"replicas": 2}},
            {"detector": {"scaling": {"kind": "magic"}}},
            {"settings": {"bus": {"url": "redis://elsewhere"}}},
            {"postgresql": {"bundled": False}},
            {"dashboard": {"trustedProxies": ["ingress-nginx"]}},
        ]
        for values in wrong:
            with pytest.raises(helm_python.HelmError):
                chart.render(values)


def test_the_chart_is_of_this_version() -> None:
    """The chart and the program it installs carry the version of the code."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert chart["name"] == CHART.name


@pytest.mark.parametrize("site", SITES)
def test_notes_name_what_is_there(site: str) -> None:
    """What Helm prints after an installation names the page's service, its port, and the Secret with the token."""
    with helm_python.Chart.load(str(CHART)) as chart:
        notes = chart.render(SITES[site], name="mw", namespace="cameras")["maskwatch/templates/NOTES.txt"]
    ((service, port),) = re.findall(r"port-forward service/(\S+) (\d+)", notes)
    assert found(site, "Service", service)["spec"]["ports"][0]["port"] == int(port)
    hashed = "dashboard" in SITES[site] and "passwordHash" in SITES[site]["dashboard"]
    secrets = re.findall(r"the Secret (\S+) as", notes)
    assert secrets == ([] if hashed else ["mw-page"])
    assert all("token" in found(site, "Secret", name)["stringData"] for name in secrets)


@pytest.mark.parametrize("site", SITES)
def test_settings_are_read_by_the_code(site: str, tmp_path: Path) -> None:
    """The settings in the ConfigMap load, lead to both servers and the store, and listen on the published ports."""
    secrets = {"bus_url": "redis://b:6379/0", "frames_url": "redis://f:6379/0", "store_url": "postgresql://u@h/d"}
    secrets |= {"token": "x" * 48, "password_hash": "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"}
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
    text = found(site, "ConfigMap", "mw-settings")["data"]["cameras.yaml"]
    settings = parse_settings(text.replace("/run/secrets", str(tmp_path)))
    assert (settings.bus.url, settings.bus.frames_url) == (secrets["bus_url"], secrets["frames_url"])
    assert settings.store.url == secrets["store_url"]
    assert settings.active.keys() == {"lobby"}
    for name, port in (("aggregator", settings.metrics.port), ("dashboard", settings.dashboard.port)):
        kind = "StatefulSet" if name == "aggregator" else "Deployment"
        assert [each["containerPort"] for each in container(site, kind, f"mw-{name}")["ports"]] == [port]
        assert found(site, "Service", f"mw-{name}")["spec"]["ports"][0]["port"] == port


def test_the_page_believes_the_proxies_that_are_named() -> None:
    """What is named reaches the page's settings and restarts it; an ingress that nobody named is said in the notes."""
    proxies = ["10.244.0.0/16", "fd00::/8"]
    page: dict[str, Any] = {"passwordHash": HASH, "ingress": {"enabled": True}}
    with helm_python.Chart.load(str(CHART)) as chart:
        for named in (proxies, []):
            files = chart.render(SITES["least"] | {"dashboard": page | {"trustedProxies": named}}, name="mw")
            texts = {name.rpartition("/")[2]: text for name, text in files.items()}
            settings = yaml.safe_load(yaml.safe_load(texts["settings.yaml"])["data"]["cameras.yaml"])
            assert settings["dashboard"].get("trusted_proxies", []) == named
            assert ("dashboard.trustedProxies" in texts["NOTES.txt"]) != bool(named)
            assert (" ".join(proxies) in texts["roles.yaml"]) == bool(named)


def test_a_pods_ordinal_is_its_shard() -> None:
    """Ingest and aggregator take the part that their ordinal names, of as many as there are pods."""
    for name, command in (("ingest", "ingest"), ("aggregator", "aggregate")):
        replicas = found("large", "StatefulSet", f"mw-{name}")["spec"]["replicas"]
        pod = container("large", "StatefulSet", f"mw-{name}")
        assert pod["args"][0] == command
        (source,) = [each["valueFrom"] for each in pod["env"] if each["name"] == "SHARD"]
        assert "apps.kubernetes.io/pod-index" in source["fieldRef"]["fieldPath"]
        shards = [Shard.parse(pod["args"][2].replace("$(SHARD)", str(number))) for number in range(replicas)]
        assert [(shard.index, shard.count) for shard in shards] == [(number, replicas) for number in range(replicas)]


def test_roles_are_those_of_compose() -> None:
    """Each role runs the same command with the same rights, probe and secrets' paths as in the compose file."""
    workloads = {
        "ingest": "StatefulSet",
        "aggregator": "StatefulSet",
        "detector": "Deployment",
        "notify": "Deployment",
        "dashboard": "Deployment",
    }
    for name, kind in workloads.items():
        pod, composed = container("least", kind, f"mw-{name}"), services()[name]
        assert pod["args"][0] == composed["command"][0]
        assert pod["args"][0] in COMMANDS
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            assert pod[probe]["exec"]["command"] == composed["healthcheck"]["test"][1:3]
        assert pod["securityContext"]["readOnlyRootFilesystem"]
        user = {each["name"]: each.get("value") for each in pod["env"]}["MASKWATCH_BUS_USER"]
        assert user == composed["environment"]["MASKWATCH_BUS_USER"]
    for name in ("bus", "frames"):
        args = container("least", "StatefulSet", f"mw-{name}")["args"]
        assert dict(zip(args[::2], args[1::2], strict=True)).keys() <= {*services()[name]["command"]}


@pytest.mark.parametrize("site", ["least", "outside"])
def test_one_dispatcher_tells_the_subscribers(site: str) -> None:
    """One dispatcher runs, never two at an update; its Redis user, the store and subscribers' keys are files."""
    workload = found(site, "Deployment", "mw-notify")["spec"]
    assert (workload["replicas"], workload["strategy"]) == (1, {"type": "Recreate"})
    volumes = {each["name"]: each for each in workload["template"]["spec"]["volumes"]}
    bus, _, store = (each["secret"] for each in volumes["secrets"]["projected"]["sources"])
    assert bus == {
        "name": "our-redis" if site == "outside" else "mw-bus",
        "items": [{"key": "notify-url", "path": "bus_url"}, {"key": "notify-frames-url", "path": "frames_url"}],
    }
    assert store["name"] == ("our-postgres" if site == "outside" else "mw-store")
    assert "cameras" not in volumes
    mounts = {each["name"]: each for each in container(site, "Deployment", "mw-notify")["volumeMounts"]}
    assert mounts["alerts"] == {"name": "alerts", "mountPath": "/run/alerts", "readOnly": True}


def test_the_dispatcher_reaches_receivers_and_nobody_reaches_it() -> None:
    """Its policy opens names, receivers in the cluster and outside, no cloud's link-local address, and no way in."""
    policy = found("least", "NetworkPolicy", "mw-notify")["spec"]
    labels = found("least", "Deployment", "mw-notify")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert (policy["policyTypes"], policy["ingress"]) == (["Ingress", "Egress"], [])
    names, receivers = policy["egress"]
    assert {each["port"] for each in names["ports"]} == {53}
    blocks = [each["ipBlock"] for each in receivers["to"] if "ipBlock" in each]
    assert "ports" not in receivers
    assert {"namespaceSelector": {}} in receivers["to"]
    assert [each["cidr"] for each in blocks] == ["0.0.0.0/0", "::/0"]
    for metadata in ("169.254.169.254", "fd00:ec2::254"):
        assert any(ip_address(metadata) in ip_network(net) for each in blocks for net in each["except"])


@pytest.mark.parametrize("site", SITES)
def test_a_drained_node_takes_one_pod_of_a_role_at_a_time(site: str) -> None:
    """Each role has a budget of one pod that may be away, and the budget means that role's pods."""
    for name in ("ingest", "aggregator", "detector", "notify", "dashboard"):
        budget = found(site, "PodDisruptionBudget", f"mw-{name}")["spec"]
        (workload,) = [
            each
            for each in rendered(site)
            if each["kind"] in {"Deployment", "StatefulSet"} and each["metadata"]["name"] == f"mw-{name}"
        ]
        assert budget == {"maxUnavailable": 1, "selector": workload["spec"]["selector"]}


def test_redis_users_hold_the_hashes_of_their_passwords() -> None:
    """The list of users is that of deploy/redis, with a hash for each role and no comment left."""
    secret = found("least", "Secret", "mw-bus")["stringData"]
    plain = (ROOT / "deploy" / "redis" / "users.acl").read_text()
    expected = [line for line in plain.splitlines() if line.startswith("user ")]
    lines = [line for line in secret["users.acl"].splitlines() if line]
    assert [re.sub(r"#[0-9a-f]{64}", "#", line) for line in lines] == [
        re.sub(r"#\w+_SHA256", "#", line) for line in expected
    ]
    for role in ("ingest", "detect", "aggregate", "notify", "dashboard"):
        assert secret[f"{role}-url"] == f"redis://{role}:{secret[role]}@mw-bus:6379/0"
        assert secret[f"{role}-frames-url"].endswith("@mw-frames:6379/0")


def test_scaling_and_monitoring() -> None:
    """Detectors scale on waiting frames or the processor; rules and dashboards are the repository's own."""
    (trigger,) = found("large", "ScaledObject", "mw-detector")["spec"]["triggers"]
    assert trigger["metadata"]["query"] == "sum(maskwatch_frames_backlog)"
    assert found("least", "HorizontalPodAutoscaler", "mw-detector")["spec"]["maxReplicas"] == 4
    assert container("large", "Deployment", "mw-detector")["resources"]["limits"]["nvidia.com/gpu"] == 1
    groups = found("large", "PrometheusRule", "mw")["spec"]["groups"]
    files = [ROOT / "deploy" / "prometheus" / f"{name}.yaml" for name in ("thresholds", "rules", "alerts")]
    assert groups == [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    (endpoint,) = found("large", "ServiceMonitor", "mw")["spec"]["endpoints"]
    assert endpoint["port"] == found("large", "Service", "mw-aggregator")["spec"]["ports"][0]["name"]
    boards = [each for each in rendered("large") if "grafana_dashboard" in each["metadata"].get("labels", {})]
    assert len(boards) == len(list((ROOT / "dashboard" / "grafana").glob("*.json")))
