"""Frames that break HTTP/2 (RFC 9113), by hand: the cases of h2spec that matter to a receiver, on both ports.

Each must cost the offender his stream or his connection with the right error, and nobody else anything.
"""

import struct

import hpack
import pytest

from harness import spans
from harness.clients import EXPORT, RawClient
from harness.http2 import RawHTTP2

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
PROTOCOL, FLOW, STREAM_CLOSED, FRAME_SIZE, COMPRESSION = 1, 3, 5, 6, 9


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(*drop, extra=(), **changes):
    fields = {":method": "POST", ":scheme": "http", ":path": EXPORT, ":authority": "x", "content-type": "application/grpc", "te": "trailers"}
    fields |= {":" + name: value for name, value in changes.items()}
    return hpack.Encoder().encode([(k, v) for k, v in fields.items() if k not in drop] + list(extra), huffman=False)


def open_stream(stream=1, flags=END_HEADERS, **changes):
    return frame(HEADERS, flags, stream, block(**changes))


# name: (bytes, errors that are right; None as one of them: the request is merely refused)
CASES = {
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), {PROTOCOL}),
    "DATA on an idle stream": (frame(DATA, 0, 1, b"x"), {PROTOCOL, STREAM_CLOSED}),
    "HEADERS on stream 0": (frame(HEADERS, END_HEADERS, 0, block()), {PROTOCOL}),
    "HEADERS on an even stream": (frame(HEADERS, END_HEADERS, 2, block()), {PROTOCOL}),
    "DATA after END_STREAM": (open_stream(flags=END_HEADERS | END_STREAM) + frame(DATA, 0, 1, b"x"), {STREAM_CLOSED, PROTOCOL}),
    "HEADERS after END_STREAM": (open_stream(flags=END_HEADERS | END_STREAM) + open_stream(flags=END_HEADERS | END_STREAM), {STREAM_CLOSED, PROTOCOL}),
    "trailers without END_STREAM": (open_stream() + open_stream(), {PROTOCOL}),
    "padding longer than the frame": (open_stream() + frame(DATA, PADDED, 1, b"\x05abc"), {PROTOCOL}),
    "padding longer than the headers": (frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block()), {PROTOCOL}),
    "RST_STREAM on stream 0": (frame(RST, 0, 0, bytes(4)), {PROTOCOL}),
    "RST_STREAM on an idle stream": (frame(RST, 0, 1, bytes(4)), {PROTOCOL}),
    "RST_STREAM of three bytes": (open_stream() + frame(RST, 0, 1, bytes(3)), {FRAME_SIZE}),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), {PROTOCOL}),
    "SETTINGS of five bytes": (frame(SETTINGS, 0, 0, bytes(5)), {FRAME_SIZE}),
    "SETTINGS ACK with content": (frame(SETTINGS, ACK, 0, bytes(6)), {FRAME_SIZE}),
    "SETTINGS ENABLE_PUSH 2": (frame(SETTINGS, 0, 0, struct.pack(">HI", 2, 2)), {PROTOCOL}),
    "SETTINGS window too large": (frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)), {FLOW}),
    "SETTINGS frame size too small": (frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 16383)), {PROTOCOL}),
    "SETTINGS frame size too large": (frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 1 << 24)), {PROTOCOL}),
    "PING on a stream": (frame(PING, 0, 1, bytes(8)), {PROTOCOL}),
    "PING of seven bytes": (frame(PING, 0, 0, bytes(7)), {FRAME_SIZE}),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), {PROTOCOL}),
    "WINDOW_UPDATE of 0 on the connection": (frame(WINDOW, 0, 0, bytes(4)), {PROTOCOL}),
    "WINDOW_UPDATE of 0 on a stream": (open_stream() + frame(WINDOW, 0, 1, bytes(4)), {PROTOCOL}),
    "WINDOW_UPDATE of three bytes": (frame(WINDOW, 0, 0, bytes(3)), {FRAME_SIZE}),
    "WINDOW_UPDATE on an idle stream": (frame(WINDOW, 0, 1, struct.pack(">I", 1)), {PROTOCOL}),
    "connection window too large": (frame(WINDOW, 0, 0, struct.pack(">I", 0x7FFFFFFF)), {FLOW}),
    "stream window too large": (open_stream() + frame(WINDOW, 0, 1, struct.pack(">I", 0x7FFFFFFF)), {FLOW}),
    "CONTINUATION alone": (frame(CONTINUATION, END_HEADERS, 1, block()), {PROTOCOL}),
    "CONTINUATION on another stream": (frame(HEADERS, 0, 1, block()[:5]) + frame(CONTINUATION, END_HEADERS, 3, block()[5:]), {PROTOCOL}),
    "PING between HEADERS and CONTINUATION": (frame(HEADERS, 0, 1, block()[:5]) + frame(PING, 0, 0, bytes(8)), {PROTOCOL}),
    "PUSH_PROMISE from a client": (frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + block()), {PROTOCOL}),
    "header block that is no HPACK": (frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), {COMPRESSION}),
    "dynamic table beyond its limit": (frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\xff\x7f" + block()), {COMPRESSION}),
    "frame longer than allowed": (struct.pack(">I", (1 << 24) - 1)[1:] + bytes([DATA, 0]) + struct.pack(">I", 1) + bytes(1 << 16), {FRAME_SIZE}),
    "upper-case field name": (frame(HEADERS, END_HEADERS, 1, block(extra=[("X-Y", "z")])), {PROTOCOL}),
    "unknown pseudo-field": (frame(HEADERS, END_HEADERS, 1, block(test="x")), {PROTOCOL}),
    "pseudo-field behind a field": (frame(HEADERS, END_HEADERS, 1, block(":path", extra=[(":path", EXPORT)])), {PROTOCOL}),
    "no method": (frame(HEADERS, END_HEADERS, 1, block(":method")), {PROTOCOL}),
    "no path": (frame(HEADERS, END_HEADERS, 1, block(":path")), {PROTOCOL}),
    "empty path": (frame(HEADERS, END_HEADERS, 1, block(path="")), {PROTOCOL}),
    "connection field": (frame(HEADERS, END_HEADERS, 1, block(extra=[("connection", "keep-alive")])), {PROTOCOL}),
    "te other than trailers": (frame(HEADERS, END_HEADERS, 1, block("te", extra=[("te", "gzip")])), {PROTOCOL}),
    "content-length that is wrong": (
        frame(HEADERS, END_HEADERS, 1, block(extra=[("content-length", "3")])) + frame(DATA, END_STREAM, 1, b"12345"), {PROTOCOL}),
    "pseudo-field in trailers": (open_stream() + frame(HEADERS, END_HEADERS | END_STREAM, 1, hpack.Encoder().encode([(":path", "/")])), {PROTOCOL}),
    "unknown frame": (frame(0xBE, 0xFF, 0, b"anything") + frame(PING, 0, 0, bytes(8)), set()),
    "unknown setting": (frame(SETTINGS, 0, 0, struct.pack(">HI", 0xFE03, 1)) + frame(PING, 0, 0, bytes(8)), set()),
    "PRIORITY on an idle stream": (frame(PRIORITY, 0, 1, bytes(5)) + frame(PING, 0, 0, bytes(8)), set()),
}


@pytest.mark.parametrize("port", ["grpc", "http"])
def test_frames(gateway, backend, rng, port):
    """All cases against one node, each on a connection of its own, with an honest client beside them."""
    store = backend()
    with gateway([store]) as node, RawClient(node.port) as honest:
        target = node.port if port == "grpc" else node.http_port
        wrong = {}
        for name, (data, errors) in CASES.items():
            with RawHTTP2(target) as client:
                client.socket.settimeout(5)
                seen = outcome(client, data)
            fine = seen & {("goaway", e) for e in errors} | seen & {("reset", e) for e in errors}
            if errors and not fine or not errors and ("pong", 0) not in seen:
                wrong[name] = seen
            honest.must_export(spans.request(spans.trace(rng, 1)))
        assert not wrong, wrong
        store.wait_for_spans(len(CASES))


def outcome(client, data):
    """What comes back: {("goaway" | "reset" | "pong", error)}, read frame by frame."""
    client.send_raw(frame(SETTINGS, ACK) + data)
    seen, buffer = set(), b""
    while not seen:
        try:
            more = client.socket.recv(1 << 16)
        except TimeoutError:
            return {("timeout", 0)}
        except ConnectionError:
            return {("closed", 0)}
        if not more:
            return {("closed", 0)}
        buffer += more
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
            length = int.from_bytes(buffer[:3], "big")
            kind, flags, payload = buffer[3], buffer[4], buffer[9 : 9 + length]
            buffer = buffer[9 + length :]
            if kind == GOAWAY:
                seen.add(("goaway", int.from_bytes(payload[4:8], "big")))
            elif kind == RST and int.from_bytes(payload, "big"):
                seen.add(("reset", int.from_bytes(payload, "big")))
            elif kind == PING and flags & ACK:
                seen.add(("pong", 0))
    return seen
