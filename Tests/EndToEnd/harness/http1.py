"""HTTP over sockets and by curl, for what libraries would not send or would hide."""

import socket
import subprocess
import time
from dataclasses import dataclass, field


@dataclass
class Reply:
    status: int
    fields: dict = field(default_factory=dict)
    body: bytes = b""


class RawHTTP1:
    """One connection; bytes out, replies in."""

    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _fill(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(f"the connection ended; left over: {self.buffer[:200]!r}")
        self.buffer += data

    def reply(self):
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        reply = Reply(int(status))
        for line in lines[1:]:
            name, value = line.split(":", 1)
            reply.fields[name.lower()] = value.strip()
        length = int(reply.fields.get("content-length", 0)) if reply.status >= 200 else 0
        while len(self.buffer) < length:
            self._fill()
        reply.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return reply

    def post(self, body, path="/v1/traces", content_type="application/x-protobuf", **fields):
        lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.reply()

    def is_closed(self, timeout=5):
        """Whether the other side ends the connection within the time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                if not self.socket.recv(1 << 16):
                    return True
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        return False


def curl(url, body=None, *arguments, content_type="application/json", timeout=20):
    """(status, body, version of HTTP) of a request that curl makes."""
    command = ["curl", "-s", "-o", "-", "-w", "\n%{http_code} %{http_version}", "--max-time", str(timeout)]
    if body is not None:
        command += ["-H", f"Content-Type: {content_type}", "--data-binary", "@-"]
    done = subprocess.run([*command, *arguments, url], input=body, capture_output=True, timeout=timeout + 10)
    assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr.decode()}"
    content, _, figures = done.stdout.rpartition(b"\n")
    status, version = figures.decode().split()
    return int(status), content, version
