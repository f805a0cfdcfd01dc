"""The `tailgate` commands other than `run`."""

import os
import subprocess

from .gateway import binary


def tailgate(*arguments, timeout=30, cwd=None, environment=None):
    """Runs to the end. `output` of the result is standard output and standard error together."""
    result = subprocess.run(
        [binary(), *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | (environment or {}),
    )
    result.output = result.stdout + result.stderr
    return result
