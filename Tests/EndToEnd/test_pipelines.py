"""Pipelines: several of each signal, with and without sampling, sharing receivers and exporters."""

from harness import spans
from harness.clients import RawClient
from harness.gateway import ERRORS, otlp
from harness.http1 import curl
from harness.spans import ERROR
from harness.wait import until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

PROTOBUF = "application/x-protobuf"


def pipeline(exporters, processors=(), receivers=("otlp",)):
    return {"receivers": list(receivers), "processors": list(processors), "exporters": list(exporters)}


def send(node, requests):
    with RawClient(node.port) as client:
        for request in requests:
            client.must_export(request)


def test_an_agent_passes_everything_on(gateway, backend, rng):
    """No `tail_sampling`: spans go on at once, in batches, and the ledger says that they passed through."""
    store = backend()
    changes = {"service": {"pipelines": {"traces": {"processors": ["batch"]}}}}
    sent = [spans.trace(rng, 4) for _ in range(30)]
    with gateway([store], changes=changes) as node:
        send(node, [spans.request(one) for one in sent])
        store.wait_for_spans(120)
        ledger = node.settle()
        assert ledger["passed_through"] == 120 and ledger["sampled"] == 0 and ledger["accepted"] == 120
        assert node.http("/v1/policies")[0] == 200
    store.assert_exactly([one for trace in sent for one in trace])


def test_sampling_beside_a_pipeline_that_keeps_all(gateway, backend, rng):
    """Two traces pipelines of one receiver: one samples, one archives. A span is accepted once; each destination gets its own."""
    kept, archive = backend(), backend()
    exporters = {"otlp/kept": otlp(kept), "otlp/archive": otlp(archive)}
    changes = {
        "service": {
            "pipelines": {
                "traces": {"exporters": ["otlp/kept"]},
                "traces/archive": pipeline(["otlp/archive"], ["batch"]),
            }
        }
    }
    good = [spans.trace(rng, 3) for _ in range(20)]
    bad = [spans.trace(rng, 3, status=ERROR) for _ in range(5)]
    with gateway(exporters, policies=ERRORS, changes=changes) as node:
        send(node, [spans.request(one) for one in good + bad])
        kept.wait_for_spans(15)
        archive.wait_for_spans(75)
        ledger = node.settle()
        assert ledger["accepted"] == 75 and ledger["sampled"] == 15 and ledger["not_sampled"] == 60
        assert {name: d["offered"] for name, d in ledger["destinations"].items()} == {"otlp/kept": 15, "otlp/archive": 75}
    kept.assert_exactly([one for trace in bad for one in trace])
    archive.assert_exactly([one for trace in good + bad for one in trace])


def test_pipelines_share_an_exporter(gateway, backend, rng):
    """An exporter that two pipelines name has one queue: its spans are those of both."""
    store = backend()
    changes = {"service": {"pipelines": {"traces/all": pipeline(["otlp/a"], ["batch"])}}}
    bad = spans.trace(rng, 2, status=ERROR)
    with gateway({"otlp/a": otlp(store)}, policies=ERRORS, changes=changes) as node:
        send(node, [spans.request(bad)])
        store.wait_for_spans(4)
        ledger = node.settle()
        assert ledger["accepted"] == 2 and ledger["destinations"]["otlp/a"]["sent"] == 4
        assert len(node.metrics().matching("otelcol_exporter_queue_capacity", exporter="otlp/a")) == 1


def metrics_request(service, names):
    made = ExportMetricsServiceRequest()
    resource = made.resource_metrics.add()
    resource.resource.attributes.append(spans.text("service.name", service))
    for name in names:
        resource.scope_metrics.add().metrics.add(name=name).gauge.data_points.add(as_int=1)
    return made


def test_metrics_and_logs_are_batched(gateway, backend):
    """`batch` and `memory_limiter` work for metrics and logs: requests become one, equal resources one entry, all items in it."""
    store, other = backend(), backend()
    batch = {"timeout": "300ms", "send_batch_size": 1000}
    changes = {
        "processors": {"batch/slow": batch, "memory_limiter": {"check_interval": "1s", "limit_mib": 2000}},
        "exporters": {"otlp/m": otlp(store), "otlp/n": otlp(other)},
        "service": {
            "pipelines": {
                "traces": {"exporters": ["otlp/a"]},
                "metrics": pipeline(["otlp/m"], ["memory_limiter", "batch/slow"]),
                "metrics/raw": pipeline(["otlp/n"]),
                "logs": pipeline(["otlp/m"], ["batch/slow"]),
            }
        },
    }
    with gateway({"otlp/a": otlp(backend())}, changes=changes) as node:
        for number in range(10):
            body = metrics_request("shop" if number % 2 else "cart", [f"m{number}"])
            status, _, _ = curl(
                f"http://127.0.0.1:{node.http_port}/v1/metrics", body.SerializeToString(), content_type=PROTOBUF)
            assert status == 200
        log = ExportLogsServiceRequest()
        log.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
        for _ in range(3):
            status, _, _ = curl(
                f"http://127.0.0.1:{node.http_port}/v1/logs", log.SerializeToString(), content_type=PROTOBUF)
            assert status == 200
        until(lambda: len(other.passed_on["metrics"]) == 10, 20, lambda: f"{len(other.passed_on['metrics'])} requests without a batch")

        def items(kind, message, inner, leaf):
            found = []
            for raw in store.passed_on[kind]:
                for entry in getattr(message.FromString(raw), f"resource_{kind}"):
                    for scope in getattr(entry, f"scope_{inner}"):
                        found += list(getattr(scope, leaf))
            return found

        until(lambda: len(items("metrics", ExportMetricsServiceRequest, "metrics", "metrics")) == 10, 20, lambda: "all metrics")
        until(lambda: len(items("logs", ExportLogsServiceRequest, "logs", "log_records")) == 3, 20, lambda: "all log records")
        names = sorted(m.name for m in items("metrics", ExportMetricsServiceRequest, "metrics", "metrics"))
        assert names == sorted(f"m{number}" for number in range(10))
        # Ten requests in ten milliseconds each at most: far fewer batches than requests, with one entry for each service.
        assert len(store.passed_on["metrics"]) < 10
        for raw in store.passed_on["metrics"]:
            services = [r.resource.attributes[0].value.string_value for r in ExportMetricsServiceRequest.FromString(raw).resource_metrics]
            assert len(services) == len(set(services))


def test_a_signal_without_a_pipeline_is_named(gateway, backend):
    """An SDK sends metrics by default: the answer names the cause, and has a counter of its own."""
    with gateway([backend()]) as node:
        body = metrics_request("shop", ["m"]).SerializeToString()
        for _ in range(3):
            status, text, _ = curl(
                f"http://127.0.0.1:{node.http_port}/v1/metrics", body, content_type=PROTOBUF)
            assert status == 404 and b"OTEL_METRICS_EXPORTER=none" in text
        metrics = node.metrics()
        assert metrics.value("tailgate_refused_requests", reason="no_pipeline") == 3
        assert metrics.value("tailgate_refused_requests", reason="unknown_method") == 0


def test_a_node_for_metrics_alone(gateway, backend):
    """A configuration without a traces pipeline runs, and says of traces that nothing takes them."""
    store = backend()
    changes = {
        "processors": {"tail_sampling": None},
        "exporters": {"otlp/a": None, "otlp/m": otlp(store)},
        "service": {"pipelines": {"traces": None, "metrics": pipeline(["otlp/m"], ["batch"])}},
    }
    with gateway({"otlp/a": otlp(store)}, changes=changes) as node:
        body = metrics_request("shop", ["m"]).SerializeToString()
        status, _, _ = curl(f"http://127.0.0.1:{node.http_port}/v1/metrics", body, content_type=PROTOBUF)
        assert status == 200
        until(lambda: len(store.passed_on["metrics"]) == 1, 20, lambda: "the request")
        status, _, _ = curl(f"http://127.0.0.1:{node.http_port}/v1/traces", b"", content_type=PROTOBUF)
        assert status == 404
