"""Frames that break HTTP/2 (RFC 9113), by hand: the cases of h2spec (its sections http2/3.5 to 8.2 and hpack/2.3.3 to 6.3), on both
ports. Left out are http2/5.1.1/2, which nghttp2 decides otherwise on purpose, and http2/5.3.1, priorities, which RFC 9113 has
taken back.

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
PROTOCOL, FLOW, STREAM_CLOSED, FRAME_SIZE, REFUSED, COMPRESSION = 1, 3, 5, 6, 7, 9
# Fields of HPACK's static table.
POST, HTTP, SLASH = b"\x83", b"\x86", b"\x84"


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
    # 4.1: what is undefined is ignored
    "undefined flags": (frame(PING, 0x16, 0, bytes(8)), set()),
    "the reserved bit of the stream": (frame(PING, 0, 1 << 31, bytes(8)), set()),
    # 4.2
    "DATA of 16 KiB": (open_stream() + frame(DATA, 0, 1, bytes([0, 0, 0, 64, 0]) + bytes(16379)) + frame(PING, 0, 0, bytes(8)), set()),
    "HEADERS longer than allowed": (
        struct.pack(">I", (1 << 24) - 1)[1:] + bytes([HEADERS, END_HEADERS]) + struct.pack(">I", 1) + bytes(1 << 16), {FRAME_SIZE}),
    # 4.3, 6.2, 6.10: nothing comes between the parts of a header block
    "PRIORITY between HEADERS and CONTINUATION": (frame(HEADERS, 0, 1, block()[:5]) + frame(PRIORITY, 0, 1, bytes(5)), {PROTOCOL}),
    "HEADERS between HEADERS and CONTINUATION": (frame(HEADERS, 0, 1, block()[:5]) + open_stream(3), {PROTOCOL}),
    "unknown frame between HEADERS and CONTINUATION": (frame(HEADERS, 0, 1, block()[:5]) + frame(0xBE, 0, 0, b"x"), {PROTOCOL}),
    "many CONTINUATIONs": (
        frame(HEADERS, 0, 1, block()[:5]) + frame(CONTINUATION, 0, 1, block()[5:9]) + frame(CONTINUATION, END_HEADERS, 1, block()[9:])
        + frame(PING, 0, 0, bytes(8)), set()),
    "CONTINUATION on stream 0": (frame(HEADERS, 0, 1, block()[:5]) + frame(CONTINUATION, END_HEADERS, 0, block()[5:]), {PROTOCOL}),
    "CONTINUATION after the block's end": (open_stream() + frame(CONTINUATION, END_HEADERS, 1, b""), {PROTOCOL}),
    "CONTINUATION after a CONTINUATION with the end": (
        frame(HEADERS, 0, 1, block()[:5]) + frame(CONTINUATION, END_HEADERS, 1, block()[5:]) + frame(CONTINUATION, END_HEADERS, 1, b""),
        {PROTOCOL}),
    "CONTINUATION after DATA": (open_stream() + frame(DATA, 0, 1, b"") + frame(CONTINUATION, END_HEADERS, 1, b""), {PROTOCOL}),
    # 5.1
    "CONTINUATION after END_STREAM": (
        open_stream(flags=END_HEADERS | END_STREAM) + frame(CONTINUATION, END_HEADERS, 1, b""), {STREAM_CLOSED, PROTOCOL}),
    # What comes on a closed stream may be ignored since RFC 9113 (§5.1); in RFC 7540 it was an error.
    "HEADERS on a reset stream": (
        open_stream() + frame(RST, 0, 1, struct.pack(">I", 8)) + open_stream() + frame(PING, 0, 0, bytes(8)), set()),
    "DATA on a reset stream": (
        open_stream() + frame(RST, 0, 1, struct.pack(">I", 8)) + frame(DATA, 0, 1, b"x") + frame(PING, 0, 0, bytes(8)), set()),
    "CONTINUATION on a reset stream": (
        open_stream() + frame(RST, 0, 1, struct.pack(">I", 8)) + frame(CONTINUATION, END_HEADERS, 1, b""), {STREAM_CLOSED, PROTOCOL}),
    # 5.1.2
    "more streams than allowed": (b"".join(open_stream(1 + 2 * number) for number in range(300)), {PROTOCOL, REFUSED}),
    # 6.3
    "PRIORITY on stream 0": (frame(PRIORITY, 0, 0, bytes(5)), {PROTOCOL}),
    "PRIORITY of four bytes": (open_stream() + frame(PRIORITY, 0, 1, bytes(4)), {FRAME_SIZE}),
    # 6.7
    "PING that is acknowledged already": (frame(PING, ACK, 0, bytes(8)) + frame(PING, 0, 0, b"12345678"), set()),
    # 7
    "GOAWAY for an unknown reason": (
        open_stream() + frame(GOAWAY, 0, 0, bytes(4) + struct.pack(">I", 0xFF)) + frame(PING, 0, 0, bytes(8)), set()),
    "RST_STREAM for an unknown reason": (open_stream() + frame(RST, 0, 1, struct.pack(">I", 0xFF)) + frame(PING, 0, 0, bytes(8)), set()),
    # 8.1.2
    "status in a request": (frame(HEADERS, END_HEADERS, 1, block(status="200")), {PROTOCOL}),
    "no scheme": (frame(HEADERS, END_HEADERS, 1, block(":scheme")), {PROTOCOL}),
    "two methods": (frame(HEADERS, END_HEADERS, 1, POST + block()), {PROTOCOL}),
    "two schemes": (frame(HEADERS, END_HEADERS, 1, HTTP + block()), {PROTOCOL}),
    "two paths": (frame(HEADERS, END_HEADERS, 1, SLASH + block()), {PROTOCOL}),
    "content-length that is wrong in two frames": (
        frame(HEADERS, END_HEADERS, 1, block(extra=[("content-length", "3")])) + frame(DATA, 0, 1, b"12") + frame(DATA, END_STREAM, 1, b"345"),
        {PROTOCOL}),
    # hpack 2.3.3, 4.2, 5.2, 6.1
    "index 0": (frame(HEADERS, END_HEADERS, 1, block() + b"\x80"), {COMPRESSION}),
    "index beyond the tables": (frame(HEADERS, END_HEADERS, 1, block() + b"\xff\x40"), {COMPRESSION}),
    "name's index beyond the tables": (frame(HEADERS, END_HEADERS, 1, block() + b"\x7f\x40\x01x"), {COMPRESSION}),
    "table's size at the end of a block": (frame(HEADERS, END_HEADERS, 1, block() + b"\x20"), {COMPRESSION}),
    "Huffman padding of eleven bits": (frame(HEADERS, END_HEADERS, 1, block() + b"\x00\x01x\x82\x1f\xff"), {COMPRESSION}),
    "Huffman padding of zeros": (frame(HEADERS, END_HEADERS, 1, block() + b"\x00\x01x\x81\x18"), {COMPRESSION}),
    "Huffman's end of string": (frame(HEADERS, END_HEADERS, 1, block() + b"\x00\x01x\x84\xff\xff\xff\xff"), {COMPRESSION}),
}


def read_frames(client, done, seconds=5):
    """Frames (kind, flags, stream, payload) until `done(frames)`."""
    client.socket.settimeout(seconds)
    frames, buffer = [], b""
    while not done(frames):
        more = client.socket.recv(1 << 16)
        assert more, frames
        buffer += more
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
            length = int.from_bytes(buffer[:3], "big")
            frames.append((buffer[3], buffer[4], int.from_bytes(buffer[5:9], "big"), buffer[9 : 9 + length]))
            buffer = buffer[9 + length :]
    return frames


@pytest.mark.parametrize("port", ["grpc", "http"])
def test_windows_of_the_client(gateway, backend, port):
    """6.5.3, 6.9.1, 6.9.2: the answer keeps to the window, to its changes, and to one that became negative."""
    window = lambda size: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, size))
    request = frame(HEADERS, END_HEADERS, 1, block()) + frame(DATA, END_STREAM, 1, bytes(5))
    data = lambda frames: [payload for kind, _, stream, payload in frames if kind == DATA and stream == 1]
    with gateway([backend()]) as node:
        target = node.port if port == "grpc" else node.http_port
        with RawHTTP2(target) as client:
            client.send_raw(frame(SETTINGS, ACK) + window(100) + window(1) + request)
            assert data(read_frames(client, data)) == [b"\0"]
            client.send_raw(window(3))
            assert data(read_frames(client, data)) == [b"\0\0"]
            client.send_raw(window(0) + frame(WINDOW, 0, 1, struct.pack(">I", 3)) + frame(PING, 0, 0, bytes(8)))
            # Three bytes are out and none is allowed: three more make it none again.
            frames = read_frames(client, lambda frames: any(f[0] == PING for f in frames))
            assert not data(frames)
            client.send_raw(frame(WINDOW, 0, 1, struct.pack(">I", 1)))
            assert data(read_frames(client, data)) == [b"\0"]
            client.send_raw(window(100))
            frames = read_frames(client, lambda frames: any(f[0] == HEADERS for f in frames))
            assert data(frames) == [b"\0"] and frames[-1][1] & END_STREAM


def test_wrong_preface(gateway, backend):
    """3.5: who begins with something else is sent away."""
    with gateway([backend()]) as node:
        for preface in (b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", b"PRX * HTTP/2.0\r\n\r\n"):
            for port in (node.port, node.http_port):
                with RawHTTP2(port, preface=False) as client:
                    client.send_raw(preface + frame(SETTINGS))
                    client.socket.settimeout(5)
                    try:
                        while client.socket.recv(4096):
                            pass
                    except ConnectionResetError:
                        pass


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
