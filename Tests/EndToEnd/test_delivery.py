"""Backends that are down, slow, full or wrong: every span is delivered or counted as lost, and nobody else notices."""

import time

import grpc
import pytest

from harness import spans
from harness.backend import accept, fail, hang, partial, slow
from harness.calm import calm_seconds
from harness.clients import RawClient
from harness.gateway import check_ledger, otlp
from harness.wait import holds, until

Code = grpc.StatusCode


def send_traces(client, rng, count, size=3):
    """Sends `count` traces in one request and returns their spans. Each worker makes its own batches: only one trace is
    sure to leave in one request."""
    made = [s for _ in range(count) for s in spans.trace(rng, size)]
    client.must_export(spans.request(made))
    return made


@pytest.mark.slow
def test_one_backend_down_for_twenty_seconds(gateway, backend, rng):
    """The other backend gets everything at once; the one that was down gets everything when it is back."""
    up, down = backend(), backend(started=False)
    sent = []
    with gateway([up, down]) as node, RawClient(node.port) as client:
        begin = time.monotonic()
        while time.monotonic() - begin < 20:
            part = send_traces(client, rng, 20)
            at = time.monotonic()
            sent += part
            until(lambda: len(up.spans()) >= len(sent), 5, "the backend that is up")
            assert calm_seconds(at) < 3, "the backend that is down delays the other one"
            check_ledger(node.ledger())
            until(lambda: time.monotonic() - at > 0.5)
        ledger = node.ledger()
        assert ledger["destinations"]["otlp/a"]["queued"] == 0
        assert ledger["destinations"]["otlp/b"]["queued"] == len(sent)
        assert ledger["destinations"]["otlp/b"]["lost"] == 0
        assert node.http("/readyz")[0] == 200
        down.start()
        back = time.monotonic()
        down.wait_for_spans(len(sent), timeout=15)
        assert calm_seconds(back) < 10
        ledger = node.settle()
        assert all(d["lost"] == 0 for d in ledger["destinations"].values())
    up.assert_exactly(sent)
    down.assert_exactly(sent)


def test_backend_that_goes_away_in_between(gateway, backend, rng):
    store = backend()
    with gateway([store]) as node, RawClient(node.port) as client:
        first = send_traces(client, rng, 5)
        store.wait_for_spans(len(first))
        store.stop()
        second = send_traces(client, rng, 5)
        node.wait_for_ledger(lambda l: l["destinations"]["otlp/a"]["queued"] == len(second))
        store.start()
        node.settle()
    assert store.ids() == spans.ids(first + second)


def test_backend_that_is_down_at_start_is_no_error(gateway, backend, rng):
    store = backend(started=False)
    with gateway([store]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 2)
        node.wait_for_ledger(lambda l: l["sampled"] == len(sent))
        store.start()
        store.wait_for_spans(len(sent))
        node.settle()
    store.assert_exactly(sent)


def test_resource_exhausted_with_retry_info_waits_that_long(gateway, backend, rng):
    one = backend(fail(Code.RESOURCE_EXHAUSTED, "slow down", times=1, retry_delay=2.0))
    two = backend()
    with gateway([one, two]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        one.wait_for_spans(len(sent))
        two.wait_for_spans(len(sent))
        node.settle()
    first, second = one.requests()[:2]
    assert not first.ok and second.ok
    assert second.at - first.at >= 1.95, "the throttle delay was not honoured"
    assert calm_seconds(first.at, second.at) < 5
    assert first.raw == second.raw
    one.assert_exactly(sent)
    two.assert_exactly(sent)


def test_unavailable_with_retry_info_waits_that_long(gateway, backend, rng):
    store = backend(fail(Code.UNAVAILABLE, "busy", times=2, retry_delay=1.0))
    with gateway([store]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        store.wait_for_spans(len(sent))
        node.settle()
    at = [r.at for r in store.requests()]
    assert len(at) == 3 and at[1] - at[0] >= 0.98 and at[2] - at[1] >= 0.98
    store.assert_exactly(sent)


@pytest.mark.parametrize(
    "code",
    [Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.OUT_OF_RANGE, Code.UNAVAILABLE, Code.DATA_LOSS],
    ids=lambda c: c.name,
)
def test_retryable_codes(gateway, backend, rng, code):
    store = backend(fail(code, "try again", times=3))
    with gateway([store]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        store.wait_for_spans(len(sent))
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == 0
    assert len(store.requests()) == 4
    assert len({r.raw for r in store.requests()}) == 1, "the same bytes again"
    store.assert_exactly(sent)


@pytest.mark.parametrize(
    "code",
    [
        Code.UNKNOWN,
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.ALREADY_EXISTS,
        Code.PERMISSION_DENIED,
        Code.FAILED_PRECONDITION,
        Code.UNIMPLEMENTED,
        Code.INTERNAL,
        Code.UNAUTHENTICATED,
        Code.RESOURCE_EXHAUSTED,  # without RetryInfo
    ],
    ids=lambda c: c.name,
)
def test_permanent_codes_are_lost_with_a_reason(gateway, backend, rng, code):
    bad, good = backend(fail(code, "never")), backend()
    with gateway([bad, good]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        good.wait_for_spans(len(sent))
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == len(sent)
        assert ledger["destinations"]["otlp/a"]["sent"] == 0
        assert sum(ledger["destinations"]["otlp/a"]["lost_by_reason"].values()) == len(sent)
        assert ledger["destinations"]["otlp/b"] == {
            **ledger["destinations"]["otlp/b"],
            "sent": len(sent),
            "lost": 0,
        }
        metrics = node.metrics()
        assert metrics.value("otelcol_exporter_send_failed_spans", exporter="otlp/a") == len(sent)
        assert metrics.value("otelcol_exporter_sent_spans", exporter="otlp/b") == len(sent)
        assert code.name in node.log().upper() or "never" in node.log(), "a loss must be loud"
    assert len(bad.requests()) == 1, "a permanent error must not be retried"
    good.assert_exactly(sent)


def test_hanging_backend_times_out_and_delays_nobody(gateway, backend, rng):
    stuck, good = backend(hang()), backend()
    with gateway({"otlp/a": otlp(stuck, timeout="1s"), "otlp/b": otlp(good)}) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        at = time.monotonic()
        good.wait_for_spans(len(sent), timeout=5)
        assert calm_seconds(at) < 3
        until(lambda: len(stuck.requests()) >= 3, 15, "attempts after time-outs")
        assert node.ledger()["destinations"]["otlp/a"]["queued"] == len(sent)
        stuck.behaviour = accept()
        stuck.wait_for_spans(len(sent))
        node.settle()
    first, second = stuck.requests()[:2]
    assert 0.9 <= second.at - first.at and calm_seconds(first.at, second.at) < 4, "an attempt ends after its timeout"
    assert first.time_remaining is not None and first.time_remaining <= 1.1, "grpc-timeout tells the backend"
    stuck.assert_exactly(sent)
    good.assert_exactly(sent)


def test_slow_backend_delays_nobody(gateway, backend, rng):
    one, two = backend(slow(1.0)), backend()
    sent = []
    with gateway([one, two]) as node, RawClient(node.port) as client:
        for _ in range(5):
            sent += send_traces(client, rng, 3)
            two.wait_for_spans(len(sent), timeout=3)
        node.settle()
    one.assert_exactly(sent)
    two.assert_exactly(sent)


def test_requests_are_in_flight_together(gateway, backend, rng):
    """num_consumers requests are under way at a time: a backend that takes a second serves many in a second."""
    store = backend(slow(1.0))
    with gateway([store], changes={"processors": {"batch": {"send_batch_size": 30, "timeout": "10ms"}}}) as node:
        with RawClient(node.port) as client:
            sent = send_traces(client, rng, 80)
            store.wait_for_spans(len(sent), timeout=10)
            node.settle()
    requests = store.requests()
    assert len(requests) >= 8
    assert calm_seconds(requests[0].at, requests[7].at) < 0.9, "eight requests at once"
    assert all(len(r.spans()) <= 30 for r in requests), "send_batch_size is the limit"
    store.assert_exactly(sent)


def test_partial_success_is_counted_and_not_retried(gateway, backend, rng):
    store = backend(partial(2, "two were too old"))
    with gateway([store]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        store.wait_for_request()
        ledger = node.settle()
        destination = ledger["destinations"]["otlp/a"]
        assert destination["sent"] + destination["lost"] == len(sent)
        assert destination["lost"] == 2, destination
        assert "two were too old" in node.log()
        holds(lambda: len(store.requests()) == 1, 1.0, "a partial success is not retried, so one request")


def test_partial_success_with_only_a_message_is_a_warning(gateway, backend, rng):
    store = backend(partial(0, "please upgrade"))
    with gateway([store]) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        store.wait_for_request()
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["sent"] == len(sent)
        assert "please upgrade" in node.log()


@pytest.mark.parametrize("rejected, lost", [(1000, 3), (2**63 - 1, 3), (-5, 0)])
def test_partial_success_with_senseless_numbers(gateway, backend, rng, rejected, lost):
    store = backend(partial(rejected, "nonsense"))
    with gateway([store]) as node, RawClient(node.port) as client:
        send_traces(client, rng, 1)
        store.wait_for_request()
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == lost


def test_retries_end_after_max_elapsed_time(gateway, backend, rng):
    store, good = backend(fail(Code.UNAVAILABLE, "for ever")), backend()
    retry = {"initial_interval": "100ms", "max_interval": "200ms", "max_elapsed_time": "1s"}
    with gateway({"otlp/a": otlp(store, retry_on_failure=retry), "otlp/b": otlp(good)}) as node:
        with RawClient(node.port) as client:
            sent = send_traces(client, rng, 1)
            ledger = node.settle()
            assert ledger["destinations"]["otlp/a"]["lost"] == len(sent)
            assert ledger["destinations"]["otlp/b"]["sent"] == len(sent)
    assert 3 <= len(store.requests()) <= 30


def test_retry_switched_off(gateway, backend, rng):
    store = backend(fail(Code.UNAVAILABLE, "once", times=1))
    with gateway({"otlp": otlp(store, retry_on_failure={"enabled": False})}) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 1)
        ledger = node.settle()
        assert ledger["destinations"]["otlp"]["lost"] == len(sent)
    assert len(store.requests()) == 1


def test_full_queue_is_counted_and_does_not_touch_the_other(gateway, backend, rng):
    """A queue of two requests in front of a backend that hangs."""
    stuck, good = backend(hang()), backend()
    exporters = {
        "otlp/a": otlp(stuck, timeout="30s", sending_queue={"queue_size": 2, "num_consumers": 1}),
        "otlp/b": otlp(good),
    }
    sent = []
    changes = {"processors": {"batch": {"timeout": "10ms"}}}
    with gateway(exporters, changes=changes) as node, RawClient(node.port) as client:
        for _ in range(8):
            sent += send_traces(client, rng, 2)
            good.wait_for_spans(len(sent), timeout=30)
            check_ledger(node.ledger())
        ledger = node.wait_for_ledger(lambda l: l["destinations"]["otlp/a"]["lost"] > 0, 40, "a loss")
        lost = ledger["destinations"]["otlp/a"]
        assert any("queue" in reason for reason in lost["lost_by_reason"]), lost
        assert node.metrics().value("otelcol_exporter_enqueue_failed_spans", exporter="otlp/a") == lost["lost"]
        assert "queue" in node.log() and "full" in node.log()
        stuck.behaviour = accept()
        ledger = node.settle()
        destination = ledger["destinations"]["otlp/a"]
        assert destination["sent"] + destination["lost"] == len(sent)
    good.assert_exactly(sent)
    assert len(stuck.spans()) == destination["sent"]


def test_full_queue_in_spans(gateway, backend, rng):
    store = backend(started=False)
    queue = {"queue_size": 30, "sizer": "items"}
    with gateway({"otlp": otlp(store, sending_queue=queue)}, decision_wait="100ms") as node:
        with RawClient(node.port) as client:
            sent = []
            for _ in range(10):
                sent += send_traces(client, rng, 2)
                node.wait_for_ledger(lambda l: l["buffered"] == 0, 30)
            # What waits for room in the queue counts as queued, until the bounded wait is over.
            ledger = node.wait_for_ledger(lambda l: l["destinations"]["otlp"]["queued"] <= 30, 40, "a bounded queue")
            assert ledger["destinations"]["otlp"]["lost"] == len(sent) - ledger["destinations"]["otlp"]["queued"]
            store.start()
            node.settle()


def test_headers_and_user_agent(gateway, backend, rng):
    store = backend()
    headers = {"X-Scope-OrgID": "team-a", "authorization": "Bearer secret"}
    with gateway({"otlp": otlp(store, headers=headers)}) as node, RawClient(node.port) as client:
        send_traces(client, rng, 1)
        store.wait_for_spans(3)
        node.settle()
        assert "secret" not in node.log()
    metadata = store.requests()[0].metadata
    assert metadata["x-scope-orgid"] == "team-a"
    assert metadata["authorization"] == "Bearer secret"
    assert "tailgate" in metadata["user-agent"].lower()


def test_tempo_tenant_and_rate_limit(gateway, backend, rng):
    """Tempo before 3.0 answers RATE_LIMITED without RetryInfo; the `tempo` exporter knows that waiting helps."""
    store = backend(fail(Code.RESOURCE_EXHAUSTED, "RATE_LIMITED: ingestion rate limit (30000000 bytes) exceeded", times=1))
    with gateway({"tempo": otlp(store, tenant="team-b")}) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 2)
        store.wait_for_spans(len(sent), timeout=30)
        node.settle()
    assert store.requests()[-1].metadata["x-scope-orgid"] == "team-b"
    store.assert_exactly(sent)


def test_jaeger_gets_what_it_needs(gateway, backend, rng):
    store = backend()
    with gateway({"jaeger": otlp(store)}) as node, RawClient(node.port) as client:
        sent = send_traces(client, rng, 2)
        store.wait_for_spans(len(sent))
        node.settle()
    store.assert_exactly(sent)


def test_backend_with_a_small_message_limit(gateway, backend, rng):
    """Four MiB is what every backend takes by default: two thousand spans of 4 KiB need several requests."""
    store = backend(max_message_bytes=4 << 20)
    with gateway([store]) as node, RawClient(node.port) as client:
        sent = []
        for _ in range(10):
            part = [s for _ in range(20) for s in spans.trace(rng, 10)]
            for one in part:
                one.attributes.append(spans.text("payload", "x" * 4000))
            client.must_export(spans.request(part), timeout=30)
            sent += part
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == 0
    store.assert_exactly(sent)
