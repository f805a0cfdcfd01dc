"""Backends below gRPC: an HTTP/2 server by hand, and a TCP port that does what it likes."""

import select
import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .ports import free_port, release


class TCPBackend:
    """Accepts connections and hands each to `talk(socket)` in a thread of its own."""

    def __init__(self, talk):
        self.talk = talk
        self.port = free_port()
        self.endpoint = f"127.0.0.1:{self.port}"
        self.accepted = 0
        self.closing = False
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            self.talk(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        self.closing = True
        self.listener.close()
        for connection in self.open:
            connection.close()
        release(self.port)


class HTTP2Backend(TCPBackend):
    """Answers each complete request by `answer(connection, stream, number, body)`, with h2's connection."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self._lock = threading.Lock()
        super().__init__(self._talk)

    def _talk(self, wire):
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, validate_outbound_headers=False, header_encoding="utf-8")
        )
        connection.initiate_connection()
        wire.sendall(connection.data_to_send())
        bodies = {}
        while not self.closing:
            ready, _, _ = select.select([wire], [], [], 0.1)
            if not ready:
                continue
            data = wire.recv(1 << 16)
            if not data:
                return
            for event in connection.receive_data(data):
                match event:
                    case h2.events.RequestReceived():
                        bodies[event.stream_id] = b""
                    case h2.events.DataReceived():
                        bodies[event.stream_id] += event.data
                        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded():
                        body = bodies.pop(event.stream_id)
                        with self._lock:
                            self.requests.append(body)
                            number = len(self.requests)
                        if self.answer(connection, event.stream_id, number, body) == "close":
                            wire.sendall(connection.data_to_send())
                            return
            wire.sendall(connection.data_to_send())


def grpc_ok(connection, stream):
    """A plain success."""
    connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
    connection.send_data(stream, b"\0\0\0\0\0")
    connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)


def http_status(code):
    """An answer without any gRPC in it, as a proxy gives."""
    return lambda connection, stream: connection.send_headers(
        stream, [(":status", str(code)), ("content-type", "text/html")], end_stream=True
    )
