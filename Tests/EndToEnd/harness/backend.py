"""A real gRPC trace backend that records every request and can misbehave in the ways that backends do."""

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from . import wire
from .ports import free_port, release
from .wait import until

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
# Services whose requests are only recorded, as bytes.
OTHERS = {
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}


@dataclass
class Received:
    """One export request as it came in."""

    raw: bytes
    metadata: dict
    at: float
    time_remaining: float | None
    ok: bool = False
    _message: ExportTraceServiceRequest | None = field(default=None, repr=False)

    @property
    def message(self):
        """The request, parsed by the protobuf library, which rejects what a strict backend would reject."""
        if self._message is None:
            self._message = ExportTraceServiceRequest.FromString(self.raw)
        return self._message

    def spans(self):
        return [s for r in self.message.resource_spans for c in r.scope_spans for s in c.spans]


def status_details(code, message, retry_delay=None):
    """A google.rpc.Status with RetryInfo, for `context.abort_with_status`."""
    status = status_pb2.Status(code=code.value[0], message=message)
    if retry_delay is not None:
        info = error_details_pb2.RetryInfo(
            retry_delay=duration_pb2.Duration(seconds=int(retry_delay), nanos=int(retry_delay % 1 * 1e9))
        )
        detail = any_pb2.Any()
        detail.Pack(info)
        status.details.append(detail)
    return rpc_status.to_status(status)


# Behaviours: called with (backend, request, context); they return a response or end the call.


def accept():
    return lambda backend, request, context: ExportTraceServiceResponse()


def fail(code, message="no", times=None, then=None, retry_delay=None):
    """Fails with `code`, for ever or `times` times; then behaves like `then`. `retry_delay` attaches RetryInfo, in seconds."""
    left = [times]
    lock = threading.Lock()

    def behave(backend, request, context):
        with lock:
            failing = left[0] is None or left[0] > 0
            if failing and left[0] is not None:
                left[0] -= 1
        if not failing:
            return (then or accept())(backend, request, context)
        if retry_delay is not None:
            context.abort_with_status(status_details(code, message, retry_delay))
        context.abort(code, message)

    return behave


def hang():
    """Never answers: until the client gives up, or the backend is stopped or told to behave otherwise."""

    def behave(backend, request, context):
        gone = threading.Event()
        context.add_callback(gone.set)
        mine = backend.behaviour
        while context.is_active() and backend.running and backend.behaviour is mine:
            gone.wait(0.05)
        context.abort(grpc.StatusCode.UNAVAILABLE, "hung")

    return behave


def slow(seconds):
    """Answers OK after `seconds`."""

    def behave(backend, request, context):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and backend.running:
            time.sleep(0.02)
        return ExportTraceServiceResponse()

    return behave


def partial(rejected, message="rejected"):
    """Answers OK with a partial_success."""
    return lambda backend, request, context: ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    )


class Backend:
    """A TraceService on a port of its own. `started=False` leaves the port closed, as if the backend were down.
    With `certificate` (a Pair) it speaks TLS, with `clients` (an Authority) it demands certificates of that authority."""

    def __init__(
        self, behaviour=None, started=True, max_message_bytes=64 << 20, options=(), certificate=None, clients=None
    ):
        self.port = free_port()
        self.behaviour = behaviour or accept()
        self.certificate, self.clients = certificate, clients
        self.options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", max_message_bytes),
            *options,
        ]
        self.running = False
        self._requests = []
        self._lock = threading.Lock()
        self._server = None
        # By signal, the bytes of requests that are no traces.
        self.passed_on = defaultdict(list)
        if started:
            self.start()

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        server = grpc.server(ThreadPoolExecutor(max_workers=32), options=self.options)
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    SERVICE,
                    {
                        "Export": grpc.unary_unary_rpc_method_handler(
                            self._export,
                            request_deserializer=None,
                            response_serializer=ExportTraceServiceResponse.SerializeToString,
                        )
                    },
                ),
                *(
                    grpc.method_handlers_generic_handler(
                        service,
                        {"Export": grpc.unary_unary_rpc_method_handler(self._recorder(signal), None, None)},
                    )
                    for signal, service in OTHERS.items()
                ),
            ]
        )
        if self.certificate:
            credentials = grpc.ssl_server_credentials(
                [(self.certificate.key, self.certificate.certificate)],
                self.clients and self.clients.pem,
                self.clients is not None,
            )
            server.add_secure_port(self.endpoint, credentials)
        else:
            server.add_insecure_port(self.endpoint)
        self.running = True
        server.start()
        self._server = server

    def stop(self):
        """Closes the port and every connection at once."""
        self.running = False
        if self._server:
            self._server.stop(grace=0).wait()
            self._server = None

    def close(self):
        self.stop()
        release(self.port)

    def _recorder(self, signal):
        def record(raw, context):
            self.passed_on[signal].append(raw)
            return b""

        return record

    def _export(self, raw, context):
        received = Received(
            raw=raw,
            metadata={k: v for k, v in context.invocation_metadata()},
            at=time.monotonic(),
            time_remaining=context.time_remaining(),
        )
        with self._lock:
            self._requests.append(received)
        response = self.behaviour(self, received, context)
        received.ok = True
        return response

    # --- what came in ---

    def requests(self, ok=None):
        """All requests, or only those that were answered OK (or not)."""
        with self._lock:
            return [r for r in self._requests if ok is None or r.ok == ok]

    def spans(self):
        """The spans of every request that was answered OK."""
        return [s for r in self.requests(ok=True) for s in r.spans()]

    def scope_attributes(self):
        """Attributes of every span's scope, by span id, as the protobuf library reads them."""
        return {
            span.span_id: {a.key: a.value for a in scope.scope.attributes}
            for request in self.requests(ok=True)
            for resource in request.message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }

    def wire_spans(self):
        """The same as bytes, with the bytes of their surroundings."""
        return [s for r in self.requests(ok=True) for s in wire.spans(r.raw)]

    def ids(self):
        return {(s.trace_id, s.span_id) for s in self.spans()}

    def traces(self):
        """The spans by trace id."""
        found = defaultdict(list)
        for made in self.spans():
            found[made.trace_id].append(made)
        return found

    def wait_for_spans(self, count, timeout=20.0):
        """Waits until at least `count` spans were taken."""
        until(lambda: len(self.spans()) >= count, timeout, lambda: f"{count} spans at {self.endpoint}, has {len(self.spans())}")
        return self.spans()

    def wait_for_request(self, count=1, timeout=20.0):
        """Waits until `count` requests came in, whatever the answer."""
        until(lambda: len(self.requests()) >= count, timeout, lambda: f"{count} requests at {self.endpoint}")
        return self.requests()

    def assert_exactly(self, sent):
        """Every span of `sent` arrived exactly once, and no other span."""
        got = [(s.trace_id, s.span_id) for s in self.spans()]
        wanted = {(s.trace_id, s.span_id) for s in sent}
        missing, extra = wanted - set(got), set(got) - wanted
        assert not missing, f"{len(missing)} of {len(wanted)} spans never arrived"
        assert not extra, f"{len(extra)} spans arrived that nobody wanted"
        assert len(got) == len(wanted), f"{len(got) - len(wanted)} spans arrived twice"
