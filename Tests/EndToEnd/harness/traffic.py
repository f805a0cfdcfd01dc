"""Traffic, and who counts what becomes of it: `tailgate load` and `tailgate sink`, and a thread that sends spans of the test's."""

import contextlib
import json
import signal
import subprocess
import threading
import time

from . import spans
from .calm import calm_seconds
from .clients import RawClient
from .gateway import binary
from .ports import free_port
from .program import tailgate


class Sink:
    """A running `tailgate sink`; `report` is what it says at the end."""

    def __init__(self, *options, host="127.0.0.1"):
        self.port = free_port()
        self.endpoint = f"{host}:{self.port}"
        self.process = subprocess.Popen(
            [binary(), "sink", "--listen", self.endpoint, "--json", "--report-every", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stderr.readline()
        assert f"listening on {self.endpoint}" in line, line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=15)
        assert self.process.returncode == 0, errors
        return json.loads(output)


def whole_trace_sink(**where):
    """A sink for the traces of `tailgate load`, for which a trace that comes in two pieces is split, however late the second."""
    return sink("--spans-per-trace", "8", "--late-after", "1h", **where)


@contextlib.contextmanager
def sink(*options, host="127.0.0.1"):
    made = Sink(*options, host=host)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def load(port, *options):
    """Runs `tailgate load` and returns its report."""
    result = tailgate("load", "--endpoint", f"127.0.0.1:{port}", "--json", *options, timeout=60)
    assert result.returncode == 0, result.output
    return json.loads(result.stdout)


class Load:
    """A running `tailgate load` to a port, or to several endpoints; `finish` returns its report."""

    def __init__(self, receivers, *options):
        endpoints = [f"127.0.0.1:{receivers}"] if isinstance(receivers, int) else receivers
        self.process = subprocess.Popen(
            [binary(), "load", "--json", "--quiet", *map(str, options)] + [a for e in endpoints for a in ("--endpoint", e)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, timeout=90):
        output, errors = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, errors
        return json.loads(output)


class SteadyLoad(Load):
    """Traffic at a steady rate to several nodes, as clients send it that know them all: until it is told to stop, and each
    request until somebody takes it."""

    def __init__(self, endpoints, *options, rate=20_000):
        self.rate = rate
        super().__init__(
            endpoints, "--rate", rate, "--seconds", "300", "--spans-per-request", "256", "--connections", 2 * len(endpoints),
            "--attempts", "1000", *options)

    def stop(self):
        """Ends whole traces, and returns the report."""
        assert self.process.poll() is None, "the load ended by itself"
        self.process.send_signal(signal.SIGTERM)
        return self.finish()


class Traffic:
    """Requests from a thread of its own, one after the other, until the block ends.

    `make()` returns the spans of the next request; none: nothing is sent this time. `nodes` is a list, or a function that returns those
    that are there: they are asked in turn. What goes wrong in the thread ends it, and is raised at the end of the block.
    """

    def __init__(self, nodes, make, every=0.02, timeout=5):
        self.nodes = nodes if callable(nodes) else lambda: nodes
        self.make, self.every, self.timeout = make, every, timeout
        # Spans of requests that were taken, outcomes of the others, (calm) seconds until the latest answer of all.
        self.sent, self.refusals, self.slowest = [], [], 0.0
        self.failure = None
        self.clients, self.requests = {}, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self.stopping.wait(self.every):
                self._turn()
        except Exception as failure:
            self.failure = failure
        finally:
            for client in self.clients.values():
                client.__exit__()

    def _turn(self):
        part = self.make()
        if not part:
            return
        nodes = self.nodes()
        node = nodes[self.requests % len(nodes)]
        self.requests += 1
        if node.port not in self.clients:
            self.clients[node.port] = RawClient(node.port)
        begin = time.monotonic()
        outcome = self.clients[node.port].export(spans.request(part), timeout=self.timeout)
        self.slowest = max(self.slowest, calm_seconds(begin))
        if not outcome.ok:
            self.refusals.append(outcome)
            return
        assert outcome.response.partial_success.rejected_spans == 0, outcome.response
        self.sent += part

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        self.thread.join()
        if kind is None and self.failure:
            raise self.failure


def check_everything_whole(report, stores):
    """The law of orderly changes: what was accepted has arrived at each store, once, and every trace in one piece."""
    assert report["given_up"]["requests"] == 0 and report["unanswered"]["requests"] == 0, report
    accepted = report["accepted"]["spans"]
    assert accepted > 0
    for seen in [store.stop() for store in stores]:
        assert seen["split_traces"] == seen["late_traces"] == seen["duplicate_spans"] == 0, seen
        assert seen["spans"] == accepted, (accepted, seen)
        assert seen["whole_traces"] == seen["traces"] == accepted // 8, seen
        assert seen["forgotten_traces"] == seen["malformed_requests"] == 0, seen


def check_nothing_lost(report, stores, nodes, split_share=0.001):
    """The law of faults that nobody can tell from a death: what was accepted has arrived; what came in two pieces or twice is
    counted and rare. Returns what the first store saw."""
    assert report["given_up"]["requests"] == 0, report
    accepted = report["accepted"]["spans"]
    # Who waits for a node that is gone may send the same again, be it a client or a node.
    repeated = report["unanswered"]["spans"] + sum(
        node.metrics().value("tailgate_cluster_possibly_duplicated_spans") for node in nodes
    )
    views = [store.stop() for store in stores]
    for seen in views:
        assert seen["spans"] - seen["duplicate_spans"] == accepted, (accepted, seen)
        assert seen["incomplete_traces"] == 0 and seen["traces"] == accepted // 8, seen
        assert seen["duplicate_spans"] <= repeated, (repeated, seen)
        assert seen["split_traces"] + seen["late_traces"] <= split_share * seen["traces"], seen
    return views[0]
