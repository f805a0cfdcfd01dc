"""Deploy/prometheus, Deploy/grafana, Deploy/RUNBOOK.md: rules, dashboards and words that fit the metrics of a running node."""

import json
import re
import shutil

import pytest
import yaml

from harness import promql, spans
from harness.cluster import Cluster
from harness.deploy import DEPLOY, load, must, one, tool
from harness.gateway import merge, otlp
from harness.ports import free_port, release
from harness.prometheus import Prometheus
from harness.traffic import Traffic
from harness.wait import holds, until

ALERTS = [rule for group in one("prometheus/alerts.yaml")["groups"] for rule in group["rules"]]
RECORDINGS = [rule for group in one("prometheus/recording.yaml")["groups"] for rule in group["rules"]]
UNIT_TESTS = sorted((DEPLOY / "prometheus").glob("*_test.yaml"))
DASHBOARD = json.loads((DEPLOY / "grafana/tailgate.json").read_text())
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()
# What a node has only if metrics or logs are passed on, if it has a memory limiter, or if it is in a cluster, and shares a rate there.
SHARED = {"name": "cap", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 100, "scope": "cluster"}}
EVERYTHING = {
    "exporters": {"otlp/metrics": otlp("127.0.0.1:1")},
    "processors": {"memory_limiter": {"check_interval": "1s", "limit_percentage": 75}},
    "service": {
        "extensions": ["cluster"],
        "pipelines": {
            "metrics": {"receivers": ["otlp"], "exporters": ["otlp/metrics"]},
            "traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]},
        }
    },
}


def promtool(*arguments):
    program = tool("promtool")
    if not program:
        pytest.skip("promtool is not installed")
    return must(program, *arguments)


@pytest.fixture
def known(gateway, backend):
    """{series: labels} of a running node, and what the recording rules make of them."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    alone = {"listen": address, "advertise": address, "resolver": {"static": {"members": [address]}}}
    with gateway([backend()], policies=[SHARED], changes=merge(EVERYTHING, {"extensions": {"cluster": alone}})) as node:
        series = promql.series_labels(node.metrics())
    release(port)
    for rule in RECORDINGS:
        series[rule["record"]] = set().union(*(series.get(m, set()) for m in promql.names(rule["expr"]).metrics))
    return series


def test_promtool_takes_the_rules():
    promtool("check", "rules", DEPLOY / "prometheus/alerts.yaml", DEPLOY / "prometheus/recording.yaml")


def test_unit_tests_of_the_rules():
    promtool("test", "rules", *UNIT_TESTS)


def test_every_alert_is_tested_on_both_sides():
    fires, silent = set(), set()
    for group in (case for path in UNIT_TESTS for case in one(path)["tests"]):
        for case in group.get("alert_rule_test", ()):
            (fires if case["exp_alerts"] else silent).add(case["alertname"])
    names = {rule["alert"] for rule in ALERTS}
    assert fires == names and silent == names


def test_rules_name_what_a_node_has(known):
    wrong = [p for rule in ALERTS + RECORDINGS for p in promql.problems(rule["expr"], known)]
    for rule in ALERTS:
        everything = set().union(*(known.get(m, set()) for m in promql.names(rule["expr"]).metrics))
        used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        if used - everything:
            wrong.append(f"{rule['alert']}: the text names {used - everything}")
    assert not wrong, "\n".join(wrong)


def test_the_check_finds_what_is_wrong(known):
    """The comparison can fail: names and labels that are not there."""
    assert promql.problems("rate(tailgate_no_such_total[5m])", known)
    assert promql.problems('tailgate_ready{colour="red"}', known)
    assert promql.problems("sum by (colour) (tailgate_ready)", known)
    assert promql.problems("tailgate_ready / on (colour) tailgate_connections", known)
    assert not promql.problems("sum by (job) (tailgate_ready)", known)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_runbook(rule):
    """A section with the four parts, where the alert's own link points."""
    name = rule["alert"]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["runbook_url"] == f"Deploy/RUNBOOK.md#{name.lower()}"
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", RUNBOOK, re.M | re.S)
    assert section, f"RUNBOOK.md has no section {name}"
    for part in ("Meaning", r"Likely causes?", "First command", "Safe action"):
        assert re.search(rf"^\*\*{part}\.\*\* *\n?\S", section[1], re.M), f"{name} does not say: {part}"
    assert "`" in section[1].split("**First command.**")[1].split("**Safe action.**")[0], f"{name} has no command"


def test_runbook_has_nothing_else():
    sections = re.findall(r"^## (\w+)$", RUNBOOK, re.M)
    assert sections == sorted(set(sections), key=sections.index)
    assert set(sections) == {rule["alert"] for rule in ALERTS}


def test_runbook_commands_name_what_a_node_has(known):
    """`grep` patterns of the runbook find something in the node's metrics."""
    text = "\n".join(known)
    patterns = re.findall(r"/metrics \| grep (?:-E )?('[^']+'|\w+)", RUNBOOK)
    assert len(patterns) > 15
    for pattern in patterns:
        # At the bars that stand in no brackets.
        for word in re.split(r"\|(?![^(]*\))", pattern.strip("'")):
            assert re.search(word, text), f"`{word}` finds nothing"


def queries():
    """(where, expression) of all panels, with the variables filled in."""
    found = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            found.append((panel["title"], target["expr"], target.get("legendFormat", "")))
    for annotation in DASHBOARD["annotations"]["list"]:
        found.append((annotation["name"], annotation["expr"], ""))
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector = re.match(r"label_values\((.*), \w+\)$", variable["query"]["query"])
            found.append((variable["name"], selector[1], ""))
    return [
        (title, e.replace("$__rate_interval", "5m").replace("$__range", "1h").replace("$job", "x").replace("$instance", "y"), l)
        for title, e, l in found
    ]


def test_dashboard_asks_for_what_a_node_has(known):
    wrong = []
    for title, expression, legend in queries():
        wrong += [f"{title}: {p}" for p in promql.problems(expression, known)]
        kept = promql.names(expression).labels
        wrong += [f"{title}: the legend's {label} is not grouped by" for label in re.findall(r"{{(\w+)}}", legend) if label not in kept]
    assert not wrong, "\n".join(wrong)
    assert len(queries()) > 40


def test_dashboard_is_whole():
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(identifiers) == len(set(identifiers))
    assert DASHBOARD["uid"] == "tailgate" and DASHBOARD["title"] == "Tailgate"
    taken = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken.get((x, y))}"
                taken[x, y] = panel["title"]
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
    text = json.dumps(DASHBOARD)
    assert "__inputs" not in DASHBOARD and "localhost" not in text


def policies(node, share):
    """Gives a node other policies, which it takes over while it runs."""
    rest = {"name": "rest", "type": "probabilistic", "probabilistic": {"sampling_percentage": share}}
    node.config["processors"]["tail_sampling"]["policies"] = [rest]
    node.config_path.write_text(yaml.safe_dump(node.config))


@pytest.mark.slow
def test_a_real_prometheus_raises_the_alerts(backend, rng, tmp_path):
    """A cluster of three. No alert while all is well; then a destination goes away, and its queue fills and overflows, while one
    node gets other policies than its peers; then a node dies."""
    good, bad = backend(), backend()
    # A retry comes every second, and what does not fit into five requests is lost at once.
    away = otlp(bad, retry_on_failure={"initial_interval": "1s", "max_interval": "1s"}, sending_queue={"queue_size": 5})
    exporters = {"otlp/good": otlp(good), "otlp/bad": away}
    cluster = Cluster(tmp_path, exporters, workers=1, decision_wait="200ms", balanced=False)
    with cluster as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        first, second, third = nodes.nodes
        ports = [node.admin_port for node in nodes.nodes]
        with (
            Prometheus(tmp_path / "prometheus", ports) as prometheus,
            Traffic([first], lambda: spans.trace(rng, 4), every=0.05, timeout=2),
        ):

            def figure(expression):
                return prometheus.value(expression) or 0

            def fires(alert, *numbers):
                """Waits until an alert fires for these nodes, and for no others."""
                wanted = {f"127.0.0.1:{ports[n]}" for n in numbers}
                until(
                    lambda: {labels["instance"] for labels in prometheus.firing().get(alert, ())} == wanted,
                    30,
                    lambda: f"{alert} of {wanted}; firing: {prometheus.firing()}",
                )

            def silence(after):
                until(lambda: not prometheus.firing(), 30, lambda: f"silence after {after}; firing: {prometheus.firing()}")

            until(lambda: figure("sum(tailgate:accepted_spans:rate5m)") > 10, 30, "the flow of spans in Prometheus")
            until(lambda: figure("count(tailgate:saturation:ratio)") == 3, 30, "a saturation of each")
            assert 0 < figure("max(tailgate:saturation:ratio)") < 1
            until(lambda: figure("min(tailgate:sampled_traces:ratio_rate5m)") == 1, 30, "all traces sampled")
            assert figure("tailgate:cluster_ring_versions:count") == 1
            assert figure("sum(tailgate_cluster_ring_share)") == pytest.approx(1, abs=1e-5)
            until(lambda: 0.3 < figure("max(tailgate:cluster_forwarded:ratio_rate5m)") < 0.95, 30, "spans of others are forwarded")
            holds(lambda: not prometheus.firing(), 3, "silence while all is well")

            bad.stop()
            policies(second, 99)
            expected = {"TailgateDestinationUnreachable", "TailgateQueueFilling", "TailgateQueueAlmostFull", "TailgateSpansLost"}
            expected |= {"TailgatePoliciesDiffer"}
            until(lambda: expected <= set(prometheus.firing()), 60, lambda: f"{expected}; firing: {prometheus.firing()}")
            fired = prometheus.firing()
            assert set(fired) == expected, "and no others"
            assert {labels["destination"] for labels in fired["TailgateDestinationUnreachable"]} == {"otlp/bad"}
            assert {labels["exporter"] for labels in fired["TailgateQueueFilling"]} == {"otlp/bad"}
            assert {labels["reason"] for labels in fired["TailgateSpansLost"]} == {"queue_full"}
            fires("TailgatePoliciesDiffer", 0, 1, 2)

            bad.start()
            for node in (first, third):
                policies(node, 99)
            silence("the destination is back and the policies are the same")

            third.kill()
            fires("TailgateDown", 2)
            fires("TailgatePeerUnreachable", 0, 1)
            nodes.wait_for_ring(0, 1)
            # What was on its way to the dead node is given to the living, and may have been taken by the dead before.
            known = {"TailgateDown", "TailgatePeerUnreachable"}
            assert set(prometheus.firing()) <= known | {"TailgateSpansMaybeTwice", "TailgateForwardingFails", "TailgateTracesSplit"}
            assert not prometheus.rule_errors()
        third.process = None


def test_compose_and_manifests_scrape_under_the_name_that_alerts_expect():
    (config,) = load("compose/prometheus.yaml")
    assert [job["job_name"] for job in config["scrape_configs"]] == ["tailgate"]
    monitor = one("kubernetes/servicemonitor.yaml")["spec"]
    assert monitor["jobLabel"] == "app.kubernetes.io/name"
    assert any('job="tailgate"' in rule["expr"] for rule in ALERTS)


def test_prometheus_takes_its_configuration(tmp_path):
    """That of compose, with the rules where compose puts them."""
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder / "rules")
    shutil.copy(DEPLOY / "compose/prometheus.yaml", folder)
    promtool("check", "config", folder / "prometheus.yaml")


def test_the_adapter_serves_what_the_autoscaler_asks_for(known):
    (rule,) = one("kubernetes/prometheus-adapter.yaml")["rules"]["custom"]
    hpa = one("kubernetes/cluster/hpa.yaml")
    (metric,) = hpa["spec"]["metrics"]
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"]
    assert not promql.problems(rule["seriesQuery"], known)
    assert yaml.safe_load((DEPLOY / "kubernetes/prometheus-adapter.yaml").read_text())
