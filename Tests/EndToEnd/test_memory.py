"""Near the memory limit the gateway refuses, early and politely, and throws nothing away."""

import re
import time

import grpc

from harness import spans
from harness.clients import SDK, RawClient
from harness.gateway import check_ledger, otlp
from harness.wait import until

LIMIT_MIB = 96


def limited(**changes):
    return {
        "processors": {"memory_limiter": {"check_interval": "100ms", "limit_mib": LIMIT_MIB, "spike_limit_mib": 16}},
        "service": {"pipelines": {"traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]}}},
    } | changes


def heavy(rng, count=200):
    made = spans.trace(rng, count)
    for one in made:
        one.attributes.append(spans.text("payload", "x" * 4000))
    return made


def test_refuses_and_loses_nothing(gateway, backend, rng):
    store = backend()
    with gateway([store], decision_wait="4s", changes=limited()) as node, RawClient(node.port) as client:
        accepted, refusals = [], []
        deadline = time.monotonic() + 20
        while len(refusals) < 5:
            assert time.monotonic() < deadline, f"no refusal after {len(accepted) * 4 // 1024} MiB of spans"
            trace = heavy(rng)
            outcome = client.export(spans.request(trace), timeout=20)
            if outcome.ok:
                accepted += trace
            else:
                refusals.append(outcome)
        for outcome in refusals:
            assert outcome.code == grpc.StatusCode.UNAVAILABLE, outcome
            assert outcome.retry_delay() > 0, "RetryInfo in grpc-status-details-bin"
            assert outcome.bare_retry_delay() == outcome.retry_delay(), "RetryInfo in google.rpc.retryinfo-bin"
            assert outcome.message
        metrics = node.metrics()
        assert metrics.value("tailgate_refused_requests", reason="memory") >= 5
        # What is refused before it is read has no known number of spans; what came whole has.
        counted = metrics.value("otelcol_receiver_refused_spans", receiver="otlp", transport="grpc")
        assert counted == metrics.value("tailgate_refused_spans", reason="memory")
        assert counted % 200 == 0 and counted <= 5 * 200
        assert len(accepted) * 4096 > 8 << 20, "a limit of 96 MiB leaves room for some spans"
        # The windows pass, memory comes back, and the same client is welcome again.
        trace = heavy(rng)

        def again():
            return client.export(spans.request(trace), timeout=20).ok

        until(again, 40, "room for new spans", every=0.25)
        accepted += trace
        node.settle(60)
    store.assert_exactly(accepted)


def test_the_sdk_comes_through_a_refusal(gateway, backend, rng):
    """The Python exporter waits as long as it is told, and nothing is lost for good."""
    store = backend()
    with gateway([store], decision_wait="2s", changes=limited()) as node:
        with RawClient(node.port) as client:
            deadline = time.monotonic() + 20
            while client.export(spans.request(heavy(rng)), timeout=20).ok:
                assert time.monotonic() < deadline, "no refusal"
        with SDK(node.port, timeout=30) as sdk:
            with sdk.tracer.start_as_current_span("patient") as span:
                wanted = span.get_span_context().trace_id.to_bytes(16, "big")
            sdk.provider.force_flush(40_000)
        until(lambda: wanted in store.traces(), 20, "the span of the SDK", every=0.5)
        node.settle(60)


def test_one_dead_destination_starves_nobody(gateway, backend, rng):
    """It loses its newest spans when its share of the memory is full. Clients and the other destination do not notice."""
    good, dead = backend(), backend(started=False)
    changes = {
        "processors": {"memory_limiter": {"check_interval": "100ms", "limit_mib": 180, "spike_limit_mib": 20}},
        "service": {"pipelines": {"traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]}}},
    }
    exporters = {"otlp/dead": otlp(dead), "otlp/good": otlp(good)}
    with gateway(exporters, decision_wait="500ms", changes=changes) as node, RawClient(node.port) as client:
        limit = node.metrics().value("tailgate_export_queue_limit_bytes", destination="otlp/dead")
        assert 16 << 20 < limit < 60 << 20
        sent = 0
        begin = time.monotonic()
        while True:
            outcome = client.export(spans.request(heavy(rng)), timeout=20)
            assert outcome.ok, f"after {sent * 4 // 1024} MiB: {outcome}"
            sent += 200
            check_ledger(node.ledger())
            # What is lost has waited for five seconds, or there was no room to wait.
            lost = node.last_ledger["destinations"]["otlp/dead"]["lost"]
            if lost > 10_000:
                break
            assert time.monotonic() - begin < 60, node.last_ledger
            time.sleep(0.05)
        ledger = node.wait_for_ledger(
            lambda l: l["buffered"] == 0 and l["destinations"]["otlp/good"]["queued"] == 0, 20, "all decided and sent")
        check_ledger(ledger)
        assert ledger["destinations"]["otlp/good"]["sent"] == sent and ledger["destinations"]["otlp/good"]["lost"] == 0
        assert set(ledger["destinations"]["otlp/dead"]["lost_by_reason"]) == {"queue_full"}
        metrics = node.metrics()
        assert metrics.value("tailgate_export_queue_bytes", destination="otlp/dead") <= limit
        assert metrics.value("tailgate_exporter_queue_fill_ratio", exporter="otlp/dead") > 0.8
        assert metrics.value("tailgate_exporter_queue_fill_ratio", exporter="otlp/good") < 0.2
        assert "MiB" in [line for line in node.log().splitlines() if "spans lost" in line][-1]
        # It comes back, and gets what waited for it.
        dead.start()
        destination = node.settle(60)["destinations"]["otlp/dead"]
        assert destination["sent"] > 2000 and destination["sent"] + destination["lost"] == sent
    assert len(dead.spans()) == destination["sent"]


def test_memory_lines_add_up(gateway, backend):
    """All parts, queues of metrics among them, are what the limiter refuses from; sizes that can't be held are named."""
    store = backend()
    changes = {
        "processors": {"memory_limiter": {"check_interval": "100ms", "limit_mib": 250, "spike_limit_mib": 50}},
        "exporters": {"otlp/m": otlp(store)},
        "service": {
            "pipelines": {
                "traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]},
                "metrics": {"receivers": ["otlp"], "exporters": ["otlp/m"]},
            }
        },
    }
    exporters = {
        "otlp/items": otlp(store, sending_queue={"queue_size": 100_000_000, "sizer": "items"}),
        "otlp/own": otlp(store, sending_queue={"max_bytes": "10MiB"}),
    }
    with gateway(exporters, changes=changes) as node:
        line = next(line for line in node.log().splitlines() if "memory is divided" in line)
        assert "refused_from=200 MiB" in line
        parts = {name: int(size) for name, size in re.findall(r"[=,] ?([a-z][\w /()]*?) (\d+) MiB", line)}
        parts.pop("refused_from", None)
        assert sum(parts.values()) == 200, line
        assert parts["queue of otlp/own"] == 10
        assert parts["queue of otlp/items"] == parts["queue of otlp/m (metrics)"]
        assert parts["spans"] >= 60
        assert "the queue of otlp/items holds" in node.log() and "the queue of otlp/own" not in node.log()
