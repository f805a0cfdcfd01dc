"""Stops single threads of a child process, which signals can't."""

import ctypes
import os
import pathlib

import pytest

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def threads(pid, name):
    """{name: id} of a process's threads of which the name starts like this."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        called = (task / "comm").read_text().strip()
        if called.startswith(name):
            found[called] = int(task.name)
    return found


class Stopped:
    """While it is entered, the thread does nothing; the rest of its process goes on. Enter and leave it in one thread."""

    def __init__(self, thread):
        self.thread = thread

    def _call(self, request):
        if _libc.ptrace(request, self.thread, None, None) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        try:
            self._call(_SEIZE)
        except PermissionError:
            pytest.skip("threads can't be traced here")
        self._call(_INTERRUPT)
        os.waitpid(self.thread, _WALL)
        return self

    def __exit__(self, *_):
        self._call(_DETACH)
