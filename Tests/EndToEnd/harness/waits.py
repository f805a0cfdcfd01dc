"""How long a process's threads wait for a processor: what a latency owes to the machine, and not to the program."""

import os
import threading
import time

WINDOW = 0.1


class ProcessorWaits:
    """Reads the scheduler's books (`/proc/PID/task/*/schedstat`) ten times a second while the block runs.

    A thread that is ready to run and does not run waits: others have the processors. Time in which it runs, and be it for an attacker
    alone, is no waiting, and neither is time in which it sleeps. A thread that needs much waits more than one that needs little, so a
    process is best judged by its own waits, not by those of a bystander.
    """

    def __init__(self, process):
        self.pid = process
        # Of each window: the share of it that the thread waited which waited most.
        self.shares = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _read(self):
        waited = {}
        folder = f"/proc/{self.pid}/task"
        try:
            for thread in os.listdir(folder):
                with open(f"{folder}/{thread}/schedstat") as books:
                    waited[thread] = int(books.read().split()[1]) / 1e9
        except OSError:
            pass  # no such books on this machine, or the thread has ended
        return time.monotonic(), waited

    def _run(self):
        at, before = self._read()
        while not self.stopping.wait(WINDOW):
            now, waited = self._read()
            self.shares.append(max((waited[t] - before[t] for t in waited if t in before), default=0) / (now - at))
            at, before = now, waited

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def share(self, quantile):
        """The share of the time that the process was kept waiting, in the window that stands at this place: 0 ... 0.9. So a machine
        that is a hundredfold slower counts as a tenfold slower one: a test that would pass however long something takes is none."""
        ordered = sorted(self.shares) or [0]
        return min(0.9, ordered[min(len(ordered) - 1, int(quantile * len(ordered)))])
