"""What can happen between a resolver and its name server."""

import socket
import threading
import time


class Relay:
    """A UDP relay in front of a name server: `delay` seconds between its answers and ours, or none at all (`is_silent`).

    `answers` counts what came from the server, refusals of its port not among them.
    """

    def __init__(self, server):
        host, port = server.rsplit(":", 1)
        self.server = (host, int(port))
        self.delay, self.is_silent, self.answers = 0.0, False, 0
        self.is_closed, self.lock = False, threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if query == b"end":
                return
            threading.Thread(target=self.ask, args=(query, client), daemon=True).start()

    def ask(self, query, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.settimeout(2)
            link.connect(self.server)
            try:
                link.send(query)
                answer = link.recv(4096)
            except OSError:
                return
        if self.is_silent:
            return
        time.sleep(self.delay)
        with self.lock:
            if not self.is_closed:
                self.socket.sendto(answer, client)
                self.answers += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        with self.lock:
            self.is_closed = True
            self.socket.close()
