"""Metrics, health and the ledger."""

import subprocess
import shutil

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from harness import spans
from harness.clients import RawClient
from harness.gateway import check_ledger

POLICIES = [
    {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
    {"name": "slow", "type": "latency", "latency": {"threshold_ms": 1000}},
]

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def busy(gateway, backend, rng):
    """A node that has seen some of everything: two errors, one slow trace, five others, late spans, refusals."""
    one, two = backend(), backend()
    with gateway([one, two], policies=POLICIES) as node, RawClient(node.port) as client:
        kept = [spans.trace(rng, status=spans.ERROR), spans.trace(rng, status=spans.ERROR), spans.trace(rng, milliseconds=1500)]
        others = [spans.trace(rng) for _ in range(5)]
        client.must_export(spans.request([s for t in kept + others for s in t]))
        client.export(b"\x0a\x7f\x00")
        client.export(spans.request([spans.span(bytes(16), rng)]))
        one.wait_for_spans(9)
        two.wait_for_spans(9)
        node.wait_for_ledger(lambda l: l["buffered"] == 0)
        client.must_export(spans.request([spans.span(kept[0][0].trace_id, rng), spans.span(others[0][0].trace_id, rng)]))
        node.settle()
        yield node


def test_figures(busy):
    metrics = busy.metrics()
    assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp", transport="grpc") == 26
    count = "otelcol_processor_tail_sampling_count_traces_sampled"
    assert metrics.value(count, policy="errors", decision="sampled") == 2
    assert metrics.value(count, policy="errors", decision="not_sampled") == 6
    assert metrics.value(count, policy="slow", decision="sampled") == 1
    assert metrics.value(count, policy="slow", decision="not_sampled") == 7
    assert metrics.value("otelcol_processor_tail_sampling_global_count_traces_sampled", sampled="true") == 3
    assert metrics.value("otelcol_processor_tail_sampling_global_count_traces_sampled", sampled="false") == 5
    assert metrics.value("otelcol_processor_tail_sampling_new_trace_id_received") == 8
    assert metrics.value("otelcol_processor_tail_sampling_early_releases_from_cache_decision", sampled="true") == 1
    assert metrics.value("otelcol_processor_tail_sampling_early_releases_from_cache_decision", sampled="false") == 1
    for exporter in ("otlp/a", "otlp/b"):
        assert metrics.value("otelcol_exporter_sent_spans", exporter=exporter) == 10
        assert metrics.value("otelcol_exporter_queue_size", exporter=exporter) == 0
        assert metrics.value("otelcol_exporter_queue_capacity", exporter=exporter) > 0


def test_the_ledger_is_a_metric(busy):
    names = busy.metrics().names()
    assert any(n.startswith("tailgate_ledger") and "difference" in n for n in names), sorted(names)
    difference = [s for s in busy.metrics().samples if "ledger_difference" in s.name]
    assert all(s.value == 0 for s in difference)


def test_allocator_and_process(busy):
    metrics = busy.metrics()
    names = metrics.names()
    assert "process_resident_memory_bytes" in names
    assert "process_cpu_seconds_total" in names
    assert any("jemalloc" in s.name or "jemalloc" in s.labels.values() for s in metrics.samples), "jemalloc must be seen"


def test_promtool(busy):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    text = busy.http("/metrics")[1]
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_openmetrics(busy):
    status, text, headers = busy.http("/metrics", {"Accept": OPENMETRICS})
    assert status == 200
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    families = {f.name: f for f in openmetrics(text)}
    assert "otelcol_receiver_accepted_spans" in families
    assert all(f.documentation for f in families.values()), "every metric explains itself"
    plain = {(s.name.removesuffix("_total"), tuple(sorted(s.labels.items()))) for s in busy.metrics().samples}
    other = {(s.name.removesuffix("_total"), tuple(sorted(s.labels.items()))) for f in families.values() for s in f.samples}
    assert {n for n, _ in plain} == {n for n, _ in other}, "both spellings show the same metrics"


@pytest.mark.parametrize(
    "accept, expected",
    [
        (None, "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain", "text/plain; version=0.0.4"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
            "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("application/openmetrics-text;version=1.0.0;q=0.1, text/plain;q=0.9", "text/plain; version=0.0.4"),
    ],
)
def test_content_negotiation(gateway, backend, accept, expected):
    with gateway([backend()]) as node:
        status, _, headers = node.http("/metrics", {"Accept": accept} if accept else {})
        assert status == 200
        assert headers["Content-Type"].replace("; ", ";").startswith(expected.replace("; ", ";"))


def test_health_endpoints(gateway, backend):
    with gateway([backend()]) as node:
        assert node.http("/healthz")[0] == 200
        assert node.http("/readyz")[0] == 200
        assert node.http("/nothing")[0] == 404
        check_ledger(node.ledger())


def test_health_check_extension(gateway, backend):
    from harness.ports import free_port
    import urllib.request

    port = free_port()
    changes = {
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{port}"}},
        "service": {"extensions": ["health_check"]},
    }
    with gateway([backend()], changes=changes):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            assert answer.status == 200


def test_books_balance_at_every_instant(gateway, backend, rng):
    """A hundred readings of the ledger while spans come in."""
    import threading

    store = backend()
    stop = threading.Event()
    with gateway([store], policies=POLICIES, decision_wait="200ms") as node:

        def load():
            with RawClient(node.port) as client:
                while not stop.is_set():
                    client.must_export(spans.request([s for i in range(20) for s in spans.trace(rng, 4, status=i % 3)]))

        sender = threading.Thread(target=load)
        sender.start()
        try:
            for _ in range(100):
                check_ledger(node.ledger())
        finally:
            stop.set()
            sender.join()
        assert node.settle()["accepted"] > 0
