"""HTTP/2 by hand, for what a well-behaved gRPC library would never send."""

import select
import socket
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from .clients import EXPORT


def frame_message(body, compressed=False, declared=None):
    """The gRPC prefix and the body; `declared` lies about the length."""
    length = len(body) if declared is None else declared
    return bytes([compressed]) + length.to_bytes(4, "big") + body


class Answer:
    """What came back on one stream."""

    def __init__(self):
        self.headers = {}
        self.trailers = {}
        self.data = b""
        self.ended = False
        self.reset = None
        self.interim = 0

    @property
    def grpc_status(self):
        """The status code as a number, from the trailers or a Trailers-Only answer."""
        raw = self.trailers.get("grpc-status", self.headers.get("grpc-status"))
        return None if raw is None else int(raw)

    @property
    def grpc_message(self):
        return self.trailers.get("grpc-message", self.headers.get("grpc-message", ""))

    def __repr__(self):
        return f"Answer(headers={self.headers}, trailers={self.trailers}, data={self.data[:40]!r}, ended={self.ended}, reset={self.reset})"


class RawHTTP2:
    """One connection. Outbound checks of the h2 library are off, so that it sends what it is told."""

    def __init__(self, port, receive_buffer=None, preface=True):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=True,
            )
        )
        self.answers = {}
        self.goaway = None
        self.closed = False
        self.peer_settings = {}
        if preface:
            self.connection.initiate_connection()
            self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        data = self.connection.data_to_send()
        if data:
            self.send_raw(data)

    def send_raw(self, data):
        """Bytes on the wire, past the library. A connection that the server closed is no error here."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def headers(self, path=EXPORT, method="POST", extra=(), drop=(), content_type="application/grpc"):
        made = [
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "127.0.0.1"),
            ("content-type", content_type),
            ("te", "trailers"),
            *extra,
        ]
        return [(name, value) for name, value in made if name not in drop]

    def open(self, headers=None, end=False):
        """Opens a stream and returns its id."""
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, headers or self.headers(), end_stream=end)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def data(self, stream, body, end=False, timeout=10.0):
        """Sends a body within the flow-control windows. Stops early when the stream is answered or the connection ends."""
        at = 0
        deadline = time.monotonic() + timeout
        while at < len(body) or (end and not body):
            if self.closed or self.answers[stream].ended or self.answers[stream].reset is not None:
                return
            window = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if window <= 0 and body:
                assert time.monotonic() < deadline, "the window never opened"
                self.pump(0.05)
                continue
            piece = body[at : at + window]
            at += len(piece)
            self.connection.send_data(stream, piece, end_stream=end and at >= len(body))
            self.flush()
            self.pump(0)
            if not body:
                return

    def pump(self, seconds):
        """Reads what is there, waiting at most `seconds` for the first byte."""
        if self.closed:
            return False
        ready, _, _ = select.select([self.socket], [], [], seconds)
        if not ready:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.connection.receive_data(data):
            self.take(event)
        self.flush()
        return True

    def take(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        match event:
            case h2.events.RemoteSettingsChanged():
                self.peer_settings.update({k: v.new_value for k, v in event.changed_settings.items()})
            case h2.events.ConnectionTerminated():
                self.goaway = event
            case h2.events.ResponseReceived():
                answer.headers = dict(event.headers)
            case h2.events.TrailersReceived():
                answer.trailers = dict(event.headers)
            case h2.events.DataReceived():
                answer.data += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                answer.ended = True
            case h2.events.StreamReset() if answer:
                answer.reset = event.error_code

    def wait(self, stream, timeout=10.0):
        """The answer of a stream: ended, reset, or the connection is gone."""
        answer = self.answers[stream]
        deadline = time.monotonic() + timeout
        while not (answer.ended or answer.reset is not None or self.closed):
            assert time.monotonic() < deadline, f"no answer within {timeout:g} s: {answer}"
            self.pump(0.05)
        return answer

    def wait_for_end(self, timeout=10.0):
        """Waits for GOAWAY or the end of the connection."""
        deadline = time.monotonic() + timeout
        while not self.closed and self.goaway is None:
            assert time.monotonic() < deadline, f"the connection was still up after {timeout:g} s"
            self.pump(0.05)

    def call(self, body=b"", *, headers=None, timeout=10.0):
        """One whole request with the given DATA."""
        stream = self.open(headers)
        self.data(stream, body, end=True)
        return self.wait(stream, timeout)
