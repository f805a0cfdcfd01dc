"""A service manager's end of sd_notify(3): a datagram socket that remembers what it is told."""

import os
import socket
import threading
import time

from .wait import until


class Manager:
    """Use as a context manager. `environment` is what a service is started with."""

    def __init__(self, path, watchdog=None):
        """`path` may be `@name` for the abstract namespace. `watchdog`: seconds without a sign of life."""
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.path[1:] if self.path.startswith("@") else self.path)
        self.socket.settimeout(0.1)
        self.environment = {"NOTIFY_SOCKET": self.path}
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        self.messages = []
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._listen)

    def _listen(self):
        while not self.closing.is_set():
            try:
                text = self.socket.recv(65536).decode()
            except TimeoutError:
                continue
            fields = dict(line.split("=", 1) for line in text.split("\n"))
            self.messages.append((time.monotonic(), fields))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.thread.join()
        self.socket.close()
        if not self.path.startswith("@"):
            os.unlink(self.path)

    def having(self, key):
        """[(when, fields)] of the messages with this field."""
        return [(at, fields) for at, fields in list(self.messages) if key in fields]

    def wait_for(self, key, count=1, timeout=15):
        until(lambda: len(self.having(key)) >= count, timeout, lambda: f"{count} x {key}; told: {self.messages}")
        return self.having(key)
