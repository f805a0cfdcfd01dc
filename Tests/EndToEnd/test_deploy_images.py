"""Deploy/Dockerfile and Deploy/compose.yaml, as far as a machine without containers can tell."""

import re
import subprocess

import pytest
import yaml

from harness.deploy import DEPLOY, check_cluster_configuration, load, longest_drain, must, one, seconds, tool, validate
from harness.gateway import ROOT, binary
from harness.program import tailgate

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
# Debian's names of the libraries' packages, by what the program asks the linker for.
PACKAGES = {
    "libcrypt.so": "libcrypt1",
    "libnghttp2.so": "libnghttp2-14",
    "libz.so": "zlib1g",
    "libjemalloc.so": "libjemalloc2",
    "libre2.so": "libre2-9",
    "libstdc++.so": "libstdc++6",
    "libgcc_s.so": "libgcc-s1",
    "libc.so": "libc6",
    "libm.so": "libc6",
    "ld-linux": "libc6",
}


def installed(stage):
    """The packages that a stage installs; `stage` counts from 0."""
    text = re.split(r"^FROM ", DOCKERFILE, flags=re.M)[stage + 1].replace("\\\n", " ")
    return set(re.search(r"--no-install-recommends ([\w.+\- ]+?)\s*&&", text)[1].split())


def compose():
    return one("compose.yaml")


def nodes():
    return {name: s for name, s in compose()["services"].items() if re.fullmatch(r"tailgate-\d", name)}


def test_linter():
    must(tool("hadolint"), DEPLOY / "Dockerfile")


def test_the_linter_can_fail(tmp_path):
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(DOCKERFILE.replace("--no-install-recommends ", ""))
    with pytest.raises(AssertionError, match="DL3015"):
        must(tool("hadolint"), wrong)


def test_build_stage_has_what_the_build_needs():
    """The same packages that Tests/run and quickstart install."""
    needed = re.search(r'step "system packages" install_packages (.*) \|\|', (ROOT / "Tests/run").read_text())[1].split()
    libraries = {p for p in needed if re.match(r"z?lib.*-dev$", p)}
    assert libraries and libraries <= installed(0)
    manifest = (ROOT / "Package.swift").read_text()
    version = re.search(r"swift-tools-version: (\d+\.\d+)", manifest)[1]
    assert f"FROM swift:{version}-bookworm AS build" in DOCKERFILE


def test_second_stage_has_what_the_program_loads():
    """Each library that the program asks for, but those of Swift, which are linked in."""
    dynamic = subprocess.run(["readelf", "-d", binary()], capture_output=True, text=True, check=True).stdout
    asked = [name for name in re.findall(r"NEEDED.*\[(.+)\]", dynamic) if not re.match(r"lib(swift|_?Foundation|dispatch|BlocksRuntime|_?Swift)", name)]
    asked = [name for name in asked if not name.startswith("lib_")]
    assert asked
    # In the base image, or brought along by what is named.
    present = installed(1) | {"libc6", "libgcc-s1"}
    for name in asked:
        package = next((p for start, p in PACKAGES.items() if name.startswith(start)), None)
        assert package in present, f"{name} is in no package of the image's second stage ({package})"


def test_what_is_built_and_shipped():
    assert "--static-swift-stdlib" in DOCKERFILE and "swift build -c release" in DOCKERFILE
    for source in re.findall(r"install -D -m 644 (\S+) /out", DOCKERFILE):
        assert (ROOT / source).is_file(), source
    # The context has all that the manifest names.
    ignored = [l for l in (ROOT / ".dockerignore").read_text().splitlines() if l and not l.startswith("#")]
    for path in re.findall(r'path: "([^"]+)"', (ROOT / "Package.swift").read_text()) + ["Tests/SamplingTests", "Deploy/config"]:
        assert not any(path == i or path.startswith(i.rstrip("*") ) for i in ignored), path


def test_health_check_and_command_exist():
    check = re.search(r"^HEALTHCHECK .*CMD \[(.*)\]$", DOCKERFILE, re.M)[1]
    name, command = re.findall(r'"([^"]+)"', check)
    assert name == "tailgate" and tailgate(command, "--help").returncode == 0
    arguments = re.findall(r'"([^"]+)"', re.search(r"^CMD \[(.*)\]$", DOCKERFILE, re.M)[1])
    assert arguments == ["run", "--config", "/etc/tailgate/tailgate.yaml"]
    config = one("config/tailgate.yaml")
    for protocol in config["receivers"]["otlp"]["protocols"].values():
        assert re.search(rf"^EXPOSE .*\b{protocol['endpoint'].rsplit(':', 1)[1]}\b", DOCKERFILE, re.M)
    for name in re.findall(r"^ENV (\w+)=", DOCKERFILE, re.M):
        assert f"${{env:{name}:-" in (DEPLOY / "config/tailgate.yaml").read_text()


# --- compose ---


def test_compose_schema():
    must(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_compose_mounts_exist():
    for name, service in compose()["services"].items():
        for volume in service.get("volumes", ()):
            assert (DEPLOY / volume.split(":")[0]).exists(), f"{name}: {volume}"
        for other in service.get("depends_on", ()):
            assert other in compose()["services"]
        image = service["image"]
        assert image == "tailgate" or re.search(r":v?\d+\.\d+\.\d+$", image), f"{name}: {image} is not pinned"
    build = nodes()["tailgate-1"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def node_configuration():
    (mounted,) = {v.split(":")[0] for s in nodes().values() for v in s["volumes"]}
    return DEPLOY / mounted


def test_compose_nodes_run_what_validates():
    assert len(nodes()) == 3
    result = validate(node_configuration(), HOSTNAME="tailgate-1")
    assert result.returncode == 0, result.output
    config = yaml.safe_load(node_configuration().read_text())
    services = compose()["services"]
    for exporter in config["exporters"].values():
        assert exporter["endpoint"].split(":")[0] in services
    stop = longest_drain(config) + seconds(config["service"]["shutdown_timeout"]) + 5
    for service in nodes().values():
        assert seconds(service["stop_grace_period"]) > stop


def test_compose_cluster_configuration():
    check_cluster_configuration(
        DEPLOY / "compose/tailgate-cluster.yaml",
        node_configuration().name == "tailgate-cluster.yaml",
        "mount ./compose/tailgate-cluster.yaml in Deploy/compose.yaml",
        HOSTNAME="tailgate-1",
    )


def test_compose_variants_differ_by_the_cluster_alone():
    plain, cluster = one("compose/tailgate.yaml"), one("compose/tailgate-cluster.yaml")
    members = cluster["extensions"]["cluster"]["resolver"]["static"]["members"]
    assert {m.split(":")[0] for m in members} == set(nodes())
    del cluster["extensions"], cluster["service"]["extensions"]
    assert plain == cluster


def test_compose_addresses_meet():
    """The agent reaches every node, Prometheus scrapes every node, Grafana finds its sources and the dashboard."""
    agent = one("compose/agent.yaml")
    targets = agent["exporters"]["loadbalancing"]["resolver"]["static"]["hostnames"]
    assert sorted(targets) == sorted(f"{name}:4317" for name in nodes())
    (job,) = one("compose/prometheus.yaml")["scrape_configs"]
    assert sorted(job["static_configs"][0]["targets"]) == sorted(f"{name}:8888" for name in nodes())
    services = compose()["services"]
    sources = one("compose/grafana/provisioning/datasources/datasources.yaml")["datasources"]
    for source in sources:
        assert re.match(r"http://([\w-]+):", source["url"])[1] in services
    provider = one("compose/grafana/provisioning/dashboards/dashboards.yaml")["providers"][0]
    mounts = {v.split(":")[1]: v.split(":")[0] for v in services["grafana"]["volumes"]}
    assert (DEPLOY / mounts[provider["options"]["path"]] / "tailgate.json").is_file()
    mounted = dict(v.split(":")[:2][::-1] for v in services["prometheus"]["volumes"])
    assert mounted["/etc/prometheus/rules"] == "./prometheus"
    assert all(r.startswith("rules/") for r in one("compose/prometheus.yaml")["rule_files"])


def test_compose_agent_goes_to_any_node():
    """The nodes share a name, and the agent resolves it."""
    endpoint = one("compose/agent.yaml")["exporters"]["otlp"]["endpoint"]
    name = re.fullmatch(r"dns:///([\w-]+):4317", endpoint)[1]
    assert all(name in service["networks"]["default"]["aliases"] for service in nodes().values())
    assert name not in compose()["services"], "one name, one meaning"


def configurations():
    """Every file below Deploy that is a node's configuration: it samples tails."""
    found = []
    for path in sorted(DEPLOY.rglob("*.yaml")):
        # Templates of the chart are rendered and validated by test_deploy_kubernetes.py.
        text = path.read_text()
        if "templates" not in path.parts and "tail_sampling:" in text and re.search(r"^receivers:", text, re.M):
            found.append(path.relative_to(DEPLOY))
    return found


@pytest.mark.parametrize("path", configurations(), ids=str)
def test_every_configuration_validates(path):
    result = validate(DEPLOY / path, POD_IP="10.0.0.1", HOSTNAME="tailgate-1")
    warnings = [line for line in result.output.splitlines() if ": warning: " in line]
    # Inside containers that is meant; who may come is for the network policy.
    assert result.returncode == 0 and all("can be reached from other machines" in w for w in warnings), result.output


def test_no_configuration_is_overlooked():
    assert {str(p) for p in configurations()} == {
        "compose/tailgate.yaml",
        "compose/tailgate-cluster.yaml",
        "config/tailgate.yaml",
        "kubernetes/cluster/tailgate.yaml",
        "kubernetes/standalone/tailgate.yaml",
    }


def test_compose_load_is_a_command_that_runs():
    service = compose()["services"]["load"]
    options = {word for word in service["command"] if word.startswith("--")}
    text = tailgate(service["command"][0], "--help").stdout
    assert all(option in text for option in options)
    assert load("compose/tempo.yaml")
