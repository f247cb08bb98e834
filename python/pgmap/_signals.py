"""Signals as flags: a run ends early with what it has, and never loses it.

The first SIGINT or SIGTERM sets a flag that the driving loop looks at every slice; the second
leaves at once. SIGUSR1 asks for a line of status. Handlers can only be set by the main thread;
elsewhere nothing is changed and no signal is seen.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from pgmap._exit import Exit

_SHOW_CURSOR = "\x1b[?25h"


class Signals:
    """What has been asked for so far."""

    def __init__(self) -> None:
        self.stopped_by: signal.Signals | None = None
        self._status_wanted = False
        self._last_words: Callable[[], None] | None = None
        # Held while there is nothing to hear of; a handler may let go of it at any moment.
        self._bell = threading.Lock()
        self._bell.acquire()

    def found(self, last_words: Callable[[], None]) -> None:
        """Something was found: whatever ends the command, this is said, and that is its answer."""
        self._last_words = last_words

    @property
    def exit(self) -> Exit | None:
        """The exit code of an interruption, if there was one."""
        match self.stopped_by:
            case None:
                return None
            case signal.SIGTERM:
                return Exit.TERMINATED
            case _:
                return Exit.INTERRUPTED

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes: a sleep of `time` would be finished first."""
        self._bell.acquire(timeout=seconds)

    def take_status_request(self) -> bool:
        wanted, self._status_wanted = self._status_wanted, False
        return wanted

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self.stopped_by is not None:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
            if self._last_words is not None:
                self._last_words()
                os._exit(Exit.FOUND)
            os._exit(Exit.TERMINATED if number == signal.SIGTERM else Exit.INTERRUPTED)
        self.stopped_by = signal.Signals(number)
        self._ring()

    def _on_status(self, _number: int, _frame: FrameType | None) -> None:
        self._status_wanted = True
        self._ring()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # another handler was faster
            self._bell.release()


@contextmanager
def listening() -> Iterator[Signals]:
    """Turn stop and status signals into flags for as long as the context lasts."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signals._on_stop),
        signal.SIGTERM: signal.signal(signal.SIGTERM, signals._on_stop),
        signal.SIGUSR1: signal.signal(signal.SIGUSR1, signals._on_status),
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
