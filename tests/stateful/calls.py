"""Calls on threads of their own, and whether they sleep.

Whether a call sleeps is read off the machine (it is asleep, and nobody runs), never off a clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pgmap import World
from pgmap.errors import FatalSignal, KernelError
from stateful.things import File, Refused, Sleeping


def outcome(call: Callable[[], object]) -> object:
    """What a call returns, or what it fails with."""
    try:
        return call()
    except KernelError as error:
        return f"refused: {error.name}"
    except FatalSignal as death:
        return f"refused: {death.signal.name}"
    except Refused as refused:
        return f"refused: {refused}"


class Call:
    """A call on a thread of its own."""

    def __init__(self, world: World, worker: int, call: Callable[[], object]) -> None:
        self.world, self.worker = world, worker
        self.returned: object = None
        self.failure: BaseException | None = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()

    def _run(self, call: Callable[[], object]) -> None:
        try:
            self.returned = outcome(call)
        except BaseException as failure:  # handed to the test's own thread
            self.failure = failure
        finally:
            self.done.set()

    def sleeps(self) -> bool:
        """Waits until the call has returned or sleeps for good, and says which."""
        while not self.done.wait(0.0005):
            if self.world.asleep(self.worker) is not None and self.world.settled():
                return True
        self.thread.join()
        if self.failure is not None:
            raise self.failure
        return False


class Pending:
    """A call that sleeps, with the model's idea of it."""

    def __init__(self, call: Call, predicted: Sleeping, file: File, *, interruptible: bool) -> None:
        self.call, self.predicted = call, predicted
        self.file, self.interruptible = file, interruptible

    @property
    def worker(self) -> int:
        return self.call.worker


def advance(predicted: Sleeping) -> tuple[bool, object]:
    """Whether the predicted call sleeps (again), and what it returns otherwise."""
    try:
        next(predicted)
    except StopIteration as end:
        return False, end.value
    except Refused as refused:
        return False, f"refused: {refused}"
    return True, None
