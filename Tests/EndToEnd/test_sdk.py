"""The OpenTelemetry SDK through the gateway: traces to two backends, metrics and logs past the sampling."""

import logging

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Status, StatusCode

from harness.clients import SDK
from harness.gateway import ERRORS, pass_through
from harness.wait import until


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
def test_kept_traces_arrive_whole_at_both_backends(gateway, backend, gzip):
    one, two = backend(), backend()
    kept, others = set(), set()
    with gateway([one, two], policies=ERRORS) as node, SDK(node.port, gzip=gzip) as sdk:
        for index in range(60):
            with sdk.tracer.start_as_current_span("GET /cart") as root:
                root.set_attribute("user.id", f"u-{index}")
                for step in range(4):
                    with sdk.tracer.start_as_current_span(f"step {step}") as child:
                        child.add_event("tried", {"attempt": step})
                        if index % 5 == 0 and step == 3:
                            child.set_status(Status(StatusCode.ERROR, "no stock"))
            (kept if index % 5 == 0 else others).add(root.get_span_context().trace_id.to_bytes(16, "big"))
        sdk.flush()
        for store in (one, two):
            store.wait_for_spans(12 * 5)
        ledger = node.settle()
        assert ledger["accepted"] == 300
        assert ledger["sampled"] == 60
        assert ledger["not_sampled"] == 240
    for store in (one, two):
        traces = store.traces()
        assert set(traces) == kept
        assert all(len(t) == 5 for t in traces.values())
        for request in store.requests():
            for resource_spans in request.message.resource_spans:
                names = {a.key: a.value.string_value for a in resource_spans.resource.attributes}
                assert names["service.name"] == "checkout"
                assert names["telemetry.sdk.language"] == "python"
                assert {s.scope.name for s in resource_spans.scope_spans} == {"tailgate.tests"}


def test_equal_resources_are_merged(gateway, backend):
    store = backend()
    with gateway([store]) as node, SDK(node.port) as sdk:
        for _ in range(50):
            with sdk.tracer.start_as_current_span("only"):
                pass
        sdk.flush()
        store.wait_for_spans(50)
        node.settle()
    for request in store.requests():
        assert len(request.message.resource_spans) == 1, "fifty spans of one service need one ResourceSpans"
        assert len(request.message.resource_spans[0].scope_spans) == 1


@pytest.mark.parametrize("compression", ["gzip", "none", None], ids=["gzip", "none", "default"])
def test_compression_of_exports(gateway, backend, compression):
    """gzip is the default, as in the Collector. A real gRPC server takes both."""
    store = backend()
    settings = {
        "endpoint": store.endpoint,
        "tls": {"insecure": True},
        **({"compression": compression} if compression else {}),
    }
    with gateway({"otlp": settings}) as node, SDK(node.port) as sdk:
        for index in range(100):
            with sdk.tracer.start_as_current_span(f"operation {index}"):
                pass
        sdk.flush()
        assert len(store.wait_for_spans(100)) == 100
        ledger = node.settle()
        assert ledger["destinations"]["otlp"]["sent"] == 100


TRANSPORTS = [("grpc", False), ("grpc", True), ("http", False), ("http", True)]
NAMES = ["grpc", "grpc, gzip", "http", "http, gzip"]
RESOURCE = Resource.create({"service.name": "checkout", "service.version": "1.2.3"})


def exporter(node, signal, transport, gzip):
    """The SDK's own exporter of a signal, as an application sets it up."""
    if transport == "grpc":
        make = {"metrics": grpc_metrics.OTLPMetricExporter, "logs": grpc_logs.OTLPLogExporter}[signal]
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        return make(endpoint=f"http://127.0.0.1:{node.port}", insecure=True, compression=compression)
    make = {"metrics": http_metrics.OTLPMetricExporter, "logs": http_logs.OTLPLogExporter}[signal]
    compression = Compression.Gzip if gzip else Compression.NoCompression
    return make(endpoint=f"http://127.0.0.1:{node.http_port}/v1/{signal}", compression=compression)


@pytest.mark.parametrize("transport, gzip", TRANSPORTS, ids=NAMES)
def test_metrics_of_the_sdk_are_passed_on(gateway, backend, transport, gzip):
    """Every kind of instrument; what arrives is what the SDK counted."""
    traces, others = backend(), backend()
    with gateway([traces], changes=pass_through(others)) as node:
        reader = PeriodicExportingMetricReader(exporter(node, "metrics", transport, gzip), export_interval_millis=3_600_000)
        exponential = View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation())
        provider = MeterProvider([reader], RESOURCE, views=[exponential], shutdown_on_exit=False)
        meter = provider.get_meter("tailgate.tests", "1.0")
        requests = meter.create_counter("requests", unit="1", description="all of them")
        open_ = meter.create_up_down_counter("open")
        durations = meter.create_histogram("durations", unit="ms")
        sizes = meter.create_histogram("sizes", unit="By")
        meter.create_observable_gauge("temperature", [lambda _: [Observation(21.5)]])
        for index in range(100):
            requests.add(2, {"route": f"/r{index % 10}"})
            open_.add(1 if index % 2 else -3)
            durations.record(index)
            sizes.record(1 << index % 20)
        assert provider.force_flush(10_000), "the exporter failed"
        until(lambda: others.passed_on["metrics"], 10, lambda: "the metrics")
        provider.shutdown()
        series = {}
        for raw in others.passed_on["metrics"][:1]:
            for resource in ExportMetricsServiceRequest.FromString(raw).resource_metrics:
                assert {"service.name", "service.version"} <= {a.key for a in resource.resource.attributes}
                for scope in resource.scope_metrics:
                    assert scope.scope.name == "tailgate.tests"
                    series |= {metric.name: metric for metric in scope.metrics}
        assert set(series) == {"requests", "open", "durations", "sizes", "temperature"}
        assert {(p.attributes[0].value.string_value, p.as_int) for p in series["requests"].sum.data_points} == {
            (f"/r{n}", 20) for n in range(10)
        }
        assert series["requests"].sum.is_monotonic and series["requests"].description == "all of them"
        assert series["open"].sum.data_points[0].as_int == -100
        assert series["durations"].histogram.data_points[0].count == 100
        assert series["durations"].histogram.data_points[0].sum == 4950
        assert series["sizes"].exponential_histogram.data_points[0].max == 1 << 19
        assert series["temperature"].gauge.data_points[0].as_double == 21.5
        # The last collection, at shutdown, is a request of its own.
        sent = lambda: node.metrics().value("tailgate_passed_on_sent_requests", exporter="otlp/m", signal="metrics")
        until(lambda: sent() == len(others.passed_on["metrics"]) == 2, 10, lambda: f"two requests, sent {sent()}")
        assert node.ledger()["accepted"] == 0
    assert not traces.requests()


@pytest.mark.parametrize("transport, gzip", TRANSPORTS, ids=NAMES)
def test_logs_of_the_sdk_are_passed_on(gateway, backend, transport, gzip):
    """Python's logging through the SDK's handler, records of spans among them, while traces go their own way."""
    traces, others = backend(), backend()
    with gateway([traces], changes=pass_through(others)) as node, SDK(node.port) as sdk:
        provider = LoggerProvider(RESOURCE, shutdown_on_exit=False)
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter(node, "logs", transport, gzip)))
        logger = logging.Logger("shop", logging.DEBUG)
        logger.addHandler(LoggingHandler(logger_provider=provider))
        with sdk.tracer.start_as_current_span("GET /cart") as root:
            for index in range(700):
                logger.warning("no stock of %d", index, extra={"item": index, "place": "caf\u00e9"})
        logger.error("outside")
        assert provider.force_flush(10_000), "the exporter failed"
        sdk.flush()

        def records():
            return [
                record
                for raw in list(others.passed_on["logs"])
                for resource in ExportLogsServiceRequest.FromString(raw).resource_logs
                for scope in resource.scope_logs
                for record in scope.log_records
            ]

        until(lambda: len(records()) == 701, 10, lambda: f"701 records, has {len(records())}")
        provider.shutdown()
        got = {record.body.string_value: record for record in records()}
        assert set(got) == {f"no stock of {index}" for index in range(700)} | {"outside"}
        one = got["no stock of 17"]
        assert one.trace_id == root.get_span_context().trace_id.to_bytes(16, "big") and got["outside"].trace_id == b""
        attributes = {a.key: a.value for a in one.attributes}
        assert attributes["item"].int_value == 17 and attributes["place"].string_value == "caf\u00e9"
        assert one.severity_text in ("WARN", "WARNING") and one.severity_number == 13
        assert len(traces.wait_for_spans(1)) == 1
        assert node.settle()["accepted"] == 1
