"""Time limits that mean the same on every machine.

A limit in seconds by the clock on the wall says how busy the machine was as much as how quick the program is. Two ways around it:

* `calm_seconds(begin, end)`: the time between two moments (of `time.monotonic()`) without the stalls of the machine. A thread of this
  process wants nothing but to run every other millisecond. What it has to wait beyond that, because others have the processors (or,
  in this process, Python's lock), nobody gets who asks for one as modestly; it is not counted. On a calm machine these are seconds.
  Where a thread waits for the processor several times over, a hundredfold slower machine counts as a tenfold slower one at most
  (`LEAST_SHARE`): a test that would pass however long something takes is none.
* A control in the same run: the same load, at the same time, to something that is not under test (a `tailgate sink` that takes
  everything); or the same work once before, when nothing disturbs it. Percentiles of latencies are judged by that.

`until` (harness/wait.py) counts its deadlines in calm seconds.
"""

import bisect
import threading
import time

# What the thread sleeps, and what such a sleep takes on an idle machine at most: timers are late by some tenths of a millisecond.
PAUSE, UNDISTURBED = 0.002, 0.003
# At least this share of the time on the wall counts.
LEAST_SHARE = 0.1
# Moments that are kept: one in ten milliseconds, for half an hour.
STEP, KEPT = 0.01, 180_000


class _CalmClock:
    """Calm seconds since the first use, by moments of `time.monotonic()`."""

    def __init__(self):
        self.moments, self.counts = [time.monotonic()], [0.0]
        self.lock = threading.Lock()
        threading.Thread(target=self._run, name="calm clock", daemon=True).start()

    def _run(self):
        last, count = self.moments[0], 0.0
        while True:
            time.sleep(PAUSE)
            now = time.monotonic()
            count += min(now - last, UNDISTURBED)
            last = now
            if now - self.moments[-1] < STEP:
                continue
            with self.lock:
                self.moments.append(now)
                self.counts.append(count)
                if len(self.moments) > KEPT:
                    del self.moments[: KEPT // 2], self.counts[: KEPT // 2]

    def at(self, moment):
        """The count at a moment, in between by proportion. What is not yet counted counts in full, but for a stall under way."""
        with self.lock:
            right = bisect.bisect_right(self.moments, moment)
            if right == 0:
                return self.counts[0] - (self.moments[0] - moment)
            since, count = self.moments[right - 1], self.counts[right - 1]
            if right == len(self.moments):
                return count + min(moment - since, STEP + UNDISTURBED)
            share = (moment - since) / (self.moments[right] - since)
            return count + share * (self.counts[right] - count)


_clock = None
_clock_lock = threading.Lock()


def start():
    """Begins to count; the harness does that before the first test. A process that was forked off counts anew."""
    global _clock
    with _clock_lock:
        _clock = _clock or _CalmClock()
    return _clock


def calm_seconds(begin, end=None):
    """Seconds between two moments of `time.monotonic()` (`end`: now) without the machine's stalls; see the module's text."""
    end = time.monotonic() if end is None else end
    clock = start()
    counted = clock.at(end) - clock.at(begin)
    return max(min(counted, end - begin), LEAST_SHARE * (end - begin))
