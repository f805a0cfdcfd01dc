"""Fixtures of the end-to-end tests."""

import random
import zlib

import pytest

from harness.backend import Backend
from harness.gateway import Gateway


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its gateways' logs."""
    report = (yield).get_result()
    if report.when == "call" and report.failed and "tmp_path" in item.funcargs:
        for log in sorted(item.funcargs["tmp_path"].rglob("*.log")):
            report.sections.append((f"{log.parent.name}/{log.name}", log.read_text(errors="replace")[-6000:]))
