"""Waiting for conditions, always with a deadline."""

import time

from .calm import calm_seconds


def until(condition, timeout=15.0, what="the condition", every=0.02):
    """Calls `condition` until it returns something true, and returns that. Fails after `timeout` seconds, in which the time that the
    machine keeps everybody waiting does not count (`harness/calm.py`)."""
    begin = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if calm_seconds(begin) > timeout:
            waited = time.monotonic() - begin
            raise AssertionError(
                f"waited {timeout:g} s ({waited:.1f} s by the clock) in vain for {what() if callable(what) else what}")
        time.sleep(every)


def holds(condition, seconds, what="the condition", every=0.05):
    """Asserts that `condition` stays true for `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{what} did not hold for {seconds:g} s"
        time.sleep(every)
