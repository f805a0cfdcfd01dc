"""Clients: the OpenTelemetry SDK, and grpcio without any help."""

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Outcome:
    """How a call ended."""

    code: grpc.StatusCode
    message: str
    response: ExportTraceServiceResponse | None
    trailers: dict

    @property
    def ok(self):
        return self.code == grpc.StatusCode.OK

    def retry_delay(self):
        """Seconds of the RetryInfo in grpc-status-details-bin, or None."""
        raw = self.trailers.get("grpc-status-details-bin")
        if raw is None:
            return None
        status = status_pb2.Status.FromString(raw)
        assert status.code == self.code.value[0], "the code in the details is another one"
        for detail in status.details:
            info = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                return info.retry_delay.seconds + info.retry_delay.nanos / 1e9
        return None

    def bare_retry_delay(self):
        """Seconds of the trailer that the Python exporter reads, or None."""
        raw = self.trailers.get("google.rpc.retryinfo-bin")
        if raw is None:
            return None
        info = error_details_pb2.RetryInfo.FromString(raw)
        return info.retry_delay.seconds + info.retry_delay.nanos / 1e9


class RawClient:
    """One grpcio channel; requests are bytes or messages; failures are values. With `authority` (a harness Authority) it
    speaks TLS, with `certificate` (a Pair) it shows one."""

    def __init__(self, port, authority=None, certificate=None, host="127.0.0.1"):
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        if authority is None:
            self.channel = grpc.insecure_channel(f"{host}:{port}", options=options)
        else:
            credentials = grpc.ssl_channel_credentials(
                authority.pem, certificate and certificate.key, certificate and certificate.certificate
            )
            self.channel = grpc.secure_channel(f"{host}:{port}", credentials, options=options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, path, body=b"", *, gzip=False, timeout=15.0, metadata=None):
        """A unary call of any method with any bytes."""
        method = self.channel.unary_unary(path, request_serializer=None, response_deserializer=None)
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        try:
            raw, call = method.with_call(
                body, timeout=timeout, compression=compression, metadata=metadata, wait_for_ready=False
            )
        except grpc.RpcError as error:
            trailers = {k: v for k, v in error.trailing_metadata() or ()}
            return Outcome(error.code(), error.details(), None, trailers)
        return Outcome(call.code(), call.details() or "", raw, {k: v for k, v in call.trailing_metadata() or ()})

    def export(self, request, **options):
        """Exports a request, given as message or bytes."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        outcome = self.call(EXPORT, body, **options)
        if outcome.ok:
            outcome.response = ExportTraceServiceResponse.FromString(outcome.response)
        return outcome

    def must_export(self, request, **options):
        """Exports and asserts plain success."""
        outcome = self.export(request, **options)
        assert outcome.ok, f"{outcome.code}: {outcome.message}"
        assert outcome.response.partial_success.rejected_spans == 0, outcome.response
        return outcome


class SDK:
    """A tracer provider with the OTLP/gRPC exporter, as an application has it."""

    def __init__(
        self, port, *, gzip=False, service="checkout", timeout=10, authority=None, certificate=None, headers=None
    ):
        credentials = authority and grpc.ssl_channel_credentials(
            authority.pem, certificate and certificate.key, certificate and certificate.certificate
        )
        self.exporter = OTLPSpanExporter(
            endpoint=f"{'https' if authority else 'http'}://127.0.0.1:{port}",
            insecure=authority is None,
            credentials=credentials,
            headers=headers,
            timeout=timeout,
            compression=grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression,
        )
        self.provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.version": "1.2.3"}), shutdown_on_exit=False
        )
        self.provider.add_span_processor(BatchSpanProcessor(self.exporter, schedule_delay_millis=100))
        self.tracer = self.provider.get_tracer("tailgate.tests", "1.0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.provider.shutdown()

    def flush(self):
        assert self.provider.force_flush(10_000), "the SDK could not flush"
