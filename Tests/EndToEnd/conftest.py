"""Fixtures of the end-to-end tests."""

import random
import shutil
import subprocess
import zlib

import pytest

from harness import calm
from harness.backend import Backend
from harness.cluster import Cluster
from harness.gateway import Gateway
from harness.ports import free_port, release


def pytest_configure(config):
    calm.start()
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line("markers", "alone: measures how long others wait, and runs when nothing else does")


@pytest.fixture
def rng(request):
    """Random numbers that are the same in every run of a test, and differ between tests."""
    return random.Random(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def backend():
    """Makes backends; they are closed when the test ends."""
    made = []

    def make(*arguments, **options):
        made.append(Backend(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def gateway(tmp_path):
    """Makes gateways: `with gateway([backend, ...], policies=...) as node:`. None outlives the test."""
    made = []

    def make(exporters, **options):
        made.append(Gateway(tmp_path / f"node{len(made)}", exporters, **options))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def cluster(tmp_path):
    """Makes clusters: `with cluster([backend, ...], 3, resolver="file") as nodes:`. None outlives the test."""
    made = []

    def make(exporters, *arguments, **options):
        made.append(Cluster(tmp_path / f"cluster{len(made)}", exporters, *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        for node in one.nodes:
            if node:
                node.kill()


class NameServers:
    """Real name servers, without root: `dnsmasq(*records)` -> its address."""

    def __init__(self, program):
        self.program, self.running, self.ports = program, {}, []

    def __call__(self, *records, port=None):
        if port is None:
            port = free_port()
            self.ports.append(port)
        address = f"127.0.0.1:{port}"
        self.running[address] = subprocess.Popen(
            [self.program, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", f"--port={port}"]
            + ["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/example/", "--user=", "--pid-file="]
            + [f"--{record}" for record in records],
            stderr=subprocess.DEVNULL,
        )
        return address

    def stop(self, address):
        process = self.running.pop(address)
        process.terminate()
        process.wait(10)


@pytest.fixture
def dnsmasq():
    """`NameServers`, which end with the test."""
    program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("no dnsmasq on this machine")
    servers = NameServers(program)
    yield servers
    for address in list(servers.running):
        servers.stop(address)
    release(*servers.ports)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its gateways' logs."""
    report = (yield).get_result()
    if report.when == "call" and report.failed and "tmp_path" in item.funcargs:
        for log in sorted(item.funcargs["tmp_path"].rglob("*.log")):
            report.sections.append((f"{log.parent.name}/{log.name}", log.read_text(errors="replace")[-6000:]))
