"""The harness checks itself: clients against backends, with no gateway between."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import grpc
import pytest

from harness import spans
from harness.backend import fail, hang, partial
from harness.calm import calm_seconds
from harness.clients import SDK, RawClient
from harness.http2 import RawHTTP2, frame_message
from harness.sampling import VECTORS, fnv1a64, probabilistic, threshold
from harness.waits import ProcessorWaits
from harness.wire import length_delimited
from harness.wire import spans as wire_spans


def test_fnv():
    assert fnv1a64(b"") == 0xCBF29CE484222325
    assert fnv1a64(b"a") == 0xAF63DC4C8601EC8C
    assert fnv1a64(b"foobar") == 0x85944171F73967E8


@pytest.mark.parametrize(
    "percentage, expected",
    [
        (0, 0),
        (0.001, 0xA7C5AC471B47),
        (0.1, 0x4189374BC6A7EF),
        (0.5, 0x147AE147AE147AF),
        (1, 0x28F5C28F5C28F5F),
        (5, 0xCCCCCCCCCCCCCFF),
        (10, 0x19999999999999FF),
        (12.5, 0x1FFFFFFFFFFFFFFF),
        (20, 0x33333333333333FF),
        (25, 0x3FFFFFFFFFFFFFFF),
        (33.3, 0x553F7CED91686FFF),
        (33.333333, 0x55555547044B6BFF),
        (50, 0x7FFFFFFFFFFFFFFF),
        (66.67, 0xAAACD9E83E425FFF),
        (75, 0xBFFFFFFFFFFFFFFF),
        (90, 0xE6666666666667FF),
        (99, 0xFD70A3D70A3D6FFF),
        (99.9, 0xFFBE76C8B4395FFF),
        (99.99999, 0xFFFFFE5280D64FFF),
        (100, 2**64 - 1),
    ],
)
def test_thresholds(percentage, expected):
    assert threshold(percentage) == expected


@pytest.mark.parametrize("salt, trace_id, expected", VECTORS)
def test_probabilistic_vectors(salt, trace_id, expected):
    got = "".join("NY"[probabilistic(bytes.fromhex(trace_id), p, salt)] for p in (1, 10, 25, 50, 75, 90))
    assert got == expected


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
def test_sdk_to_backend(backend, gzip):
    store = backend()
    with SDK(store.port, gzip=gzip) as sdk:
        for index in range(20):
            with sdk.tracer.start_as_current_span("parent"), sdk.tracer.start_as_current_span(f"child {index}"):
                pass
        sdk.flush()
    assert len(store.wait_for_spans(40)) == 40
    assert all(len(t) == 2 for t in store.traces().values())


def test_backend_behaviours(backend, rng):
    store = backend(fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "wait", times=1, retry_delay=1.5))
    request = spans.request(spans.trace(rng))
    with RawClient(store.port) as client:
        refused = client.export(request)
        assert (refused.code, refused.message, refused.retry_delay()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "wait", 1.5)
        client.must_export(request)
        store.behaviour = partial(2, "two of them")
        assert client.export(request).response.partial_success.rejected_spans == 2
        store.behaviour = hang()
        begin = time.monotonic()
        assert client.export(request, timeout=0.3).code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert calm_seconds(begin) < 3
    assert [r.ok for r in store.requests()] == [False, True, True, False]


def test_backend_comes_and_goes(backend, rng):
    store = backend(started=False)
    request = spans.request(spans.trace(rng))
    with RawClient(store.port) as client:
        assert client.export(request).code == grpc.StatusCode.UNAVAILABLE
        store.start()
    with RawClient(store.port) as client:
        client.must_export(request)
        store.stop()
        assert client.export(request).code == grpc.StatusCode.UNAVAILABLE


def test_raw_http2_to_backend(backend, rng):
    store = backend()
    with RawHTTP2(store.port) as raw:
        answer = raw.call(frame_message(spans.request(spans.trace(rng)).SerializeToString()))
        assert answer.ended and answer.grpc_status == 0, answer
        assert raw.call(b"", headers=raw.headers("/no.Such/Method")).grpc_status == 12
    assert len(store.spans()) == 3


def test_walker_sees_what_the_library_wrote(rng):
    request = spans.rich_request(rng)
    unknown = length_delimited(999, b"kept")
    raw = request.SerializeToString() + unknown
    found = list(wire_spans(raw))
    parsed = [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
    assert [s.SerializeToString() for s in parsed] == [s.span for s in found]


def test_calm_seconds_leave_stalls_out():
    """A process that is stopped for two of three seconds has had one."""
    script = (
        "import time; from harness import calm; calm.start(); begin = time.monotonic(); print('begun', flush=True)\n"
        "while time.monotonic() - begin < 3: time.sleep(0.01)\n"
        # The last is 0.2 as it is next to the machine's uptime, of which sums are rounded.
        "end = begin + 0.2; print(calm.calm_seconds(begin), calm.calm_seconds(begin, end), end - begin)"
    )
    folder = pathlib.Path(__file__).parent
    with subprocess.Popen([sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.4)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        whole, before, span = map(float, process.stdout.readline().split())
    assert 0.29 < whole < 1.2 and 0 < before <= span, (whole, before, span)


def test_waits_for_a_processor():
    """Who shares a processor with another one that is busy waits half of the time; who sleeps waits for nobody."""
    busy = [sys.executable, "-c", "while True: pass"]
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes = [subprocess.Popen(command) for command in (busy, busy, asleep)]
    try:
        for process in processes:
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        time.sleep(0.5)
        with ProcessorWaits(processes[0].pid) as waits, ProcessorWaits(processes[2].pid) as none:
            time.sleep(2)
        assert waits.share(0.5) > 0.3, waits.shares
        assert none.share(1) < 0.05, none.shares
    finally:
        for process in processes:
            process.kill()
            process.wait()
