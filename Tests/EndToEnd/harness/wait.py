"""Waiting for conditions, always with a deadline."""

import time


def until(condition, timeout=15.0, what="the condition", every=0.02):
    """Calls `condition` until it returns something true, and returns that. Fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what() if callable(what) else what}")
        time.sleep(every)


def holds(condition, seconds, what="the condition", every=0.05):
    """Asserts that `condition` stays true for `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{what} did not hold for {seconds:g} s"
        time.sleep(every)
