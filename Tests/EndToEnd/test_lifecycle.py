"""Starting, stopping, and what happens to the spans in between."""

import itertools
import signal
import socket
import threading
import time

import pytest

from harness import spans
from harness.backend import hang
from harness.calm import calm_seconds
from harness.clients import RawClient
from harness.gateway import ALWAYS, ERRORS, otlp
from harness.http2 import RawHTTP2
from harness.wait import until


class Load:
    """Clients that send until they are told to stop or the gateway goes away, and remember what was acknowledged."""

    def __init__(self, node, rng, clients=4):
        self.node = node
        self.acknowledged, self.refused = [], 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        seeds = [rng.getrandbits(64) for _ in range(clients)]
        self.threads = [threading.Thread(target=self.run, args=(s,)) for s in seeds]

    def run(self, seed):
        import random

        rng = random.Random(seed)
        with RawClient(self.node.port) as client:
            for count in itertools.count():
                if self.stopping.is_set():
                    return
                trace = spans.trace(rng, 8, status=spans.ERROR if count % 3 == 0 else spans.OK)
                # Half of each trace, then the other half: shutdown may come in between.
                for part in (trace[:4], trace[4:]):
                    outcome = client.export(spans.request(part), timeout=10)
                    with self.lock:
                        if outcome.ok:
                            self.acknowledged += part
                        else:
                            self.refused += 1
                if self.refused > 20:
                    return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_shutdown_under_load_loses_nothing(gateway, backend, rng):
    """SIGTERM while spans come in: every acknowledged span arrives at both backends."""
    one, two = backend(), backend()
    with gateway([one, two], policies=ALWAYS, decision_wait="2s") as node:
        with Load(node, rng) as load:
            until(lambda: len(load.acknowledged) > 2000, 20, "some load")
            node.stop()
        acknowledged = spans.ids(load.acknowledged)
    assert len(acknowledged) > 2000
    for store in (one, two):
        arrived = store.ids()
        assert not acknowledged - arrived, f"{len(acknowledged - arrived)} acknowledged spans are missing"
        got = store.spans()
        assert len(got) == len(arrived), "spans arrived twice"


def test_shutdown_decides_what_is_pending(gateway, backend, rng):
    """A window of a minute is not waited for: what is there is decided, and the policies still count."""
    store = backend()
    kept, dropped = spans.trace(rng, 3, status=spans.ERROR), spans.trace(rng, 3)
    with gateway([store], policies=ERRORS, decision_wait="60s") as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(kept + dropped))
        assert node.ledger()["buffered"] == 6
        begin = time.monotonic()
        node.stop()
        assert calm_seconds(begin) < 15
    store.assert_exactly(kept)


def test_shutdown_may_drop_what_is_pending(gateway, backend, rng):
    store = backend()
    changes = {"processors": {"tail_sampling": {"drop_pending_traces_on_shutdown": True}}}
    with gateway([store], decision_wait="60s", changes=changes) as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(spans.trace(rng)))
        node.stop()
    assert not store.requests()


def test_shutdown_may_wait_for_the_windows(gateway, backend, rng):
    """With a `drain_timeout`, what is pending is decided when its window ends, not earlier."""
    store = backend()
    changes = {"processors": {"tail_sampling": {"drain_timeout": "10s"}}}
    with gateway([store], decision_wait="3s", changes=changes) as node:
        with RawClient(node.port) as client:
            begin = time.monotonic()
            sent = spans.trace(rng)
            client.must_export(spans.request(sent))
        node.stop()
        assert 2.9 < time.monotonic() - begin and calm_seconds(begin) < 9
    store.assert_exactly(sent)


def test_shutdown_flushes_the_queues(gateway, backend, rng):
    """Spans that wait for a backend get their chance before the process ends."""
    store = backend(started=False)
    with gateway([store]) as node:
        with RawClient(node.port) as client:
            sent = spans.trace(rng, 5)
            client.must_export(spans.request(sent))
        node.wait_for_ledger(lambda l: l["destinations"]["otlp/a"]["queued"] == 5)
        store.start()
        node.stop()
    store.assert_exactly(sent)


def test_shutdown_with_a_dead_backend_ends(gateway, backend, rng):
    """The drain has an end, and what was lost is said."""
    store = backend(started=False)
    with gateway([store], changes={"service": {"shutdown_timeout": "3s"}}) as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(spans.trace(rng, 5)))
        node.wait_for_ledger(lambda l: l["destinations"]["otlp/a"]["queued"] == 5)
        node.signal()
        node.wait(15)
        assert "lost" in node.log()


def test_not_ready_while_draining_and_goaway(gateway, backend, rng):
    store = backend(hang())
    with gateway({"otlp": otlp(store, timeout="30s")}) as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(spans.trace(rng)))
        store.wait_for_request()
        with RawHTTP2(node.port) as raw:
            raw.pump(0.5)
            node.signal()
            raw.wait_for_end(10)
            assert raw.goaway is not None, "the connection ended without a GOAWAY"
            assert raw.goaway.error_code == 0
        if node.process.poll() is None:
            assert node.http("/readyz")[0] in (0, 503)
        from harness.backend import accept

        store.behaviour = accept()
        assert node.wait() == 0


def test_second_signal_ends_at_once(gateway, backend, rng):
    store = backend(hang())
    with gateway({"otlp": otlp(store, timeout="60s")}) as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(spans.trace(rng, 7)))
        store.wait_for_request()
        node.signal()
        until(lambda: node.http("/readyz")[0] != 200, 10, "the end of readiness")
        assert node.process.poll() is None, "the drain waits for the backend"
        node.signal()
        begin = time.monotonic()
        code = node.wait(5)
        assert calm_seconds(begin) < 2
        assert code != 0, "spans were lost"
        assert "7" in node.log() and "lost" in node.log().lower(), "it says what was lost"


def test_interrupt_is_like_sigterm(gateway, backend, rng):
    store = backend()
    with gateway([store], decision_wait="60s") as node:
        with RawClient(node.port) as client:
            sent = spans.trace(rng)
            client.must_export(spans.request(sent))
        node.signal(signal.SIGINT)
        assert node.wait() == 0
    store.assert_exactly(sent)


def test_idle_shutdown_is_quick(gateway, backend):
    with gateway([backend()]) as node:
        with RawHTTP2(node.port) as raw:
            raw.pump(0.5)
            begin = time.monotonic()
            node.stop()
            assert calm_seconds(begin) < 5


def test_restart_on_the_same_port(gateway, backend, rng):
    """A node that was stopped can be started again at once, with clients that were connected a moment ago."""
    store = backend()
    sent = []
    with gateway([store]) as node:
        for _ in range(3):
            with RawClient(node.port) as client:
                trace = spans.trace(rng)
                client.must_export(spans.request(trace))
                sent += trace
                node.stop()
            node.start()
        node.settle()
    store.assert_exactly(sent)


@pytest.mark.parametrize("which", ["receiver", "metrics"])
def test_port_in_use(gateway, backend, which):
    node = gateway([backend()])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", node.port if which == "receiver" else node.admin_port))
        taken.listen()
        with pytest.raises(AssertionError, match="ended with"):
            node.start()
    assert node.process.returncode not in (0, None) and node.process.returncode > 0
    port = node.port if which == "receiver" else node.admin_port
    assert str(port) in node.log() and "in use" in node.log().lower(), node.log()
    assert "Fatal" not in node.log()
