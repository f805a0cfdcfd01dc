"""Free TCP ports that no other test, worker or test run picks at the same time."""

import fcntl
import os
import random
import socket
import tempfile

# Below the kernel's range of ephemeral ports, so that no outgoing connection can sit on one.
FIRST, LAST = 12_000, 32_000

_locks = {}


def free_port():
    """A port that can be bound now. A file lock keeps it ours until this process ends or releases it."""
    directory = os.path.join(tempfile.gettempdir(), f"tailgate-test-ports-{os.getuid()}")
    os.makedirs(directory, exist_ok=True)
    while True:
        port = random.SystemRandom().randrange(FIRST, LAST)
        lock = open(os.path.join(directory, str(port)), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
        _locks[port] = lock
        return port


def release(*ports):
    """Gives ports back, so that a long test run does not run out of them."""
    for port in ports:
        lock = _locks.pop(port, None)
        if lock:
            lock.close()
