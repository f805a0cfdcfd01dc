"""Configuration: the Collector's YAML, and errors that say where and what."""

import re

import pytest
import yaml

from harness import spans
from harness.clients import RawClient
from harness.gateway import ERRORS, configuration, merge, otlp
from harness.program import tailgate


def good(**changes):
    return configuration(4317, 4318, 8888, {"otlp/store": otlp("127.0.0.1:14317")}, changes=changes)


def write(directory, config):
    path = directory / "tailgate.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    return path


def validate(directory, config, **options):
    return tailgate("validate", "--config", write(directory, config), cwd=directory, **options)


def assert_error(result, path, *words, key=None):
    """Exit 64, and a line `file:line:column: key: what is wrong` with all the words."""
    assert result.returncode == 64, result.output
    pattern = re.compile(re.escape(path.name) + r":(\d+):(\d+): ")
    lines = [l for l in result.output.splitlines() if pattern.search(l)]
    assert lines, result.output
    assert any((key is None or key in l) and all(w.lower() in l.lower() for w in words) for l in lines), result.output
    return lines


def test_a_good_file(tmp_path):
    result = validate(tmp_path, good())
    assert result.returncode == 0, result.output


def test_the_default_is_valid_and_printed(tmp_path):
    result = tailgate("config", "--default")
    assert result.returncode == 0
    config = yaml.safe_load(result.stdout)
    assert config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].endswith(":4317")
    assert validate(tmp_path, result.stdout).returncode == 0


CASES = {
    "unknown top key": ({"reciever": {}}, ["receivers"], "reciever"),
    "unknown processor key": ({"processors": {"tail_sampling": {"decision_wat": "1s"}}}, ["decision_wait"], "decision_wat"),
    "unknown exporter key": ({"exporters": {"otlp/store": {"endpont": "x:1"}}}, ["endpoint"], "endpont"),
    "text for a number": ({"processors": {"tail_sampling": {"num_traces": "many"}}}, [], "num_traces"),
    "bad duration": ({"processors": {"tail_sampling": {"decision_wait": "10 parsecs"}}}, [], "decision_wait"),
    "negative duration": ({"exporters": {"otlp/store": {"timeout": "-1s"}}}, [], "timeout"),
    "unknown policy type": (
        {"processors": {"tail_sampling": {"policies": [{"name": "x", "type": "status_kode"}]}}},
        ["status_code"],
        "type",
    ),
    "policy without a name": ({"processors": {"tail_sampling": {"policies": [{"type": "always_sample"}]}}}, ["name"], "policies"),
    "policies of the same name": ({"processors": {"tail_sampling": {"policies": ERRORS + ERRORS}}}, ["errors"], "policies"),
    "unknown status code": (
        {
            "processors": {
                "tail_sampling": {
                    "policies": [{"name": "x", "type": "status_code", "status_code": {"status_codes": ["FAILED"]}}]
                }
            }
        },
        ["ERROR"],
        "status_codes",
    ),
    "no status codes": (
        {
            "processors": {
                "tail_sampling": {"policies": [{"name": "x", "type": "status_code", "status_code": {"status_codes": []}}]}
            }
        },
        [],
        "status_code",
    ),
    "unknown compression": ({"exporters": {"otlp/store": {"compression": "brotli"}}}, ["gzip"], "compression"),
    "endpoint without a port": ({"exporters": {"otlp/store": {"endpoint": "tempo"}}}, ["port"], "endpoint"),
    "bad listening address": (
        {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "localhost:99999"}}}}},
        [],
        "endpoint",
    ),
    "exporter nobody defined": ({"service": {"pipelines": {"traces": {"exporters": ["otlp/stor"]}}}}, ["otlp/store"], "exporters"),
    "processor nobody defined": ({"service": {"pipelines": {"traces": {"processors": ["tail_samplin"]}}}}, ["tail_sampling"], "processors"),
    "no queue consumers": ({"exporters": {"otlp/store": {"sending_queue": {"num_consumers": 0}}}}, [], "num_consumers"),
    "queue of no size": ({"exporters": {"otlp/store": {"sending_queue": {"queue_size": 0}}}}, [], "queue_size"),
    "batch maximum under its size": (
        {"processors": {"batch": {"send_batch_size": 100, "send_batch_max_size": 50}}},
        [],
        "send_batch_max_size",
    ),
    "component of the Collector that is missing here": ({"exporters": {"kafka": {}}}, [], "kafka"),
    "receiver of the Collector that is missing here": ({"receivers": {"zipkin": {}}}, [], "zipkin"),
    "component that nobody has": ({"exporters": {"carrier_pigeon": {}}}, [], "carrier_pigeon"),
}


@pytest.mark.parametrize("name", CASES)
def test_errors_name_the_place_and_the_cure(tmp_path, name):
    changes, words, key = CASES[name]
    path = write(tmp_path, good(**changes))
    result = tailgate("validate", "--config", path, cwd=tmp_path)
    lines = assert_error(result, path, *words, key=key)
    number = int(re.search(r":(\d+):\d+: ", next(l for l in lines if key in l)).group(1))
    source = path.read_text().splitlines()
    around = "\n".join(source[max(0, number - 8) : number + 8])
    assert key in around, f"line {number} is far from {key}:\n{path.read_text()}"


def test_every_error_at_once(tmp_path):
    path = write(
        tmp_path,
        good(
            processors={"tail_sampling": {"decision_wait": "soon", "num_traces": -5}},
            exporters={"otlp/store": {"compression": "brotli"}},
        ),
    )
    result = tailgate("validate", "--config", path, cwd=tmp_path)
    assert result.returncode == 64
    for key in ("decision_wait", "num_traces", "compression"):
        assert_error(result, path, key=key)


@pytest.mark.parametrize("broken", ["receivers: [", "a: b: c", "\t- x", "key: &a [*a", "'", "receivers:\n  otlp:\n otlp2:"])
def test_broken_yaml(tmp_path, broken):
    result = validate(tmp_path, broken)
    assert result.returncode == 64, result.output
    assert re.search(r"tailgate\.yaml:\d+:\d+: ", result.output), result.output


def test_empty_file(tmp_path):
    result = validate(tmp_path, "")
    assert result.returncode == 64, result.output


def test_missing_file(tmp_path):
    result = tailgate("validate", "--config", tmp_path / "nothing.yaml")
    assert result.returncode not in (0, None) and result.returncode > 0
    assert "nothing.yaml" in result.output and "Fatal" not in result.output


def test_run_with_a_bad_file_does_not_start(tmp_path):
    path = write(tmp_path, good(processors={"tail_sampling": {"decision_wait": "soon"}}))
    result = tailgate("run", "--config", path, cwd=tmp_path)
    assert_error(result, path, key="decision_wait")


def test_policies_from_a_file(tmp_path):
    (tmp_path / "policies.yaml").write_text(yaml.safe_dump(ERRORS))
    text = yaml.safe_dump(good(), sort_keys=False)
    config = yaml.safe_load(text)
    config["processors"]["tail_sampling"]["policies"] = "${file:policies.yaml}"
    assert validate(tmp_path, config).returncode == 0


def test_an_error_in_a_policy_file_names_that_file(tmp_path):
    (tmp_path / "policies.yaml").write_text("- name: errors\n  type: status_kode\n")
    config = good()
    config["processors"]["tail_sampling"]["policies"] = "${file:policies.yaml}"
    result = validate(tmp_path, config)
    assert result.returncode == 64
    assert "policies.yaml" in result.output and "status_code" in result.output, result.output


def test_unreadable_policy_file(tmp_path):
    config = good()
    config["processors"]["tail_sampling"]["policies"] = "${file:missing-policies.yaml}"
    path = write(tmp_path, config)
    for command in ("validate", "run"):
        result = tailgate(command, "--config", path, cwd=tmp_path)
        assert_error(result, path, "missing-policies.yaml")


def test_environment(tmp_path):
    config = good()
    config["processors"]["tail_sampling"]["decision_wait"] = "${env:WINDOW}"
    config["exporters"]["otlp/store"]["endpoint"] = "${env:STORE:-127.0.0.1:4000}"
    assert validate(tmp_path, config, environment={"WINDOW": "3s"}).returncode == 0
    result = validate(tmp_path, config, environment={"WINDOW": "three"})
    assert result.returncode == 64 and "decision_wait" in result.output


def test_jaegers_legacy_port_is_explained(tmp_path):
    config = good()
    config["exporters"] = {"jaeger": {"endpoint": "jaeger:14250", "tls": {"insecure": True}}}
    config["service"]["pipelines"]["traces"]["exporters"] = ["jaeger"]
    result = validate(tmp_path, config)
    assert "14250" in result.output and "4317" in result.output, result.output


def test_named_components_and_pipelines(gateway, backend, rng):
    """`tail_sampling/errors`, `otlp/jaeger`, `traces/shop`: names as in the Collector, and metrics carry them."""
    store = backend()
    node = gateway({"otlp/jaeger": store})
    sampling = node.config["processors"].pop("tail_sampling")
    node.config["processors"]["tail_sampling/errors"] = merge(sampling, {"policies": ERRORS})
    pipeline = node.config["service"]["pipelines"].pop("traces")
    pipeline["processors"] = ["tail_sampling/errors", "batch"]
    node.config["service"]["pipelines"]["traces/shop"] = pipeline
    with node, RawClient(node.port) as client:
        sent = spans.trace(rng, status=spans.ERROR)
        client.must_export(spans.request(sent))
        store.wait_for_spans(3)
        node.settle()
        metrics = node.metrics()
        assert metrics.value("otelcol_exporter_sent_spans", exporter="otlp/jaeger") == 3
        assert metrics.value(
            "otelcol_processor_tail_sampling_count_traces_sampled", policy="errors.errors", decision="sampled"
        ) == 1
    store.assert_exactly(sent)


def test_metrics_readers_and_none(gateway, backend, rng):
    """The current form of the metrics address; and level none switches the endpoint off."""
    node = gateway([backend()])
    node.config["service"]["telemetry"]["metrics"] = {
        "readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": node.admin_port}}}}]
    }
    with node:
        assert node.metrics().names()
