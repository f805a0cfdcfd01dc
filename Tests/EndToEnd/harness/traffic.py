"""`tailgate load` and `tailgate sink`: traffic, and who counts what becomes of it."""

import contextlib
import json
import signal
import subprocess

from .gateway import binary
from .ports import free_port
from .program import tailgate


class Sink:
    """A running `tailgate sink`; `report` is what it says at the end."""

    def __init__(self, *options):
        self.port = free_port()
        self.endpoint = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [binary(), "sink", "--listen", self.endpoint, "--json", "--report-every", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stderr.readline()
        assert f"listening on {self.endpoint}" in line, line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=15)
        assert self.process.returncode == 0, errors
        return json.loads(output)


@contextlib.contextmanager
def sink(*options):
    made = Sink(*options)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def load(port, *options):
    """Runs `tailgate load` and returns its report."""
    result = tailgate("load", "--endpoint", f"127.0.0.1:{port}", "--json", *options, timeout=60)
    assert result.returncode == 0, result.output
    return json.loads(result.stdout)


class Load:
    """A running `tailgate load`; `report` is what it says at the end."""

    def __init__(self, port, *options):
        self.process = subprocess.Popen(
            [binary(), "load", "--endpoint", f"127.0.0.1:{port}", "--json", "--quiet", *map(str, options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, timeout=90):
        output, errors = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, errors
        return json.loads(output)
