"""Calls on threads of their own, and steps done one after the other although some of them sleep.

Whether a call sleeps is read off the machine (it is asleep, and nobody runs), never off a clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from pgmap import World
from pgmap.errors import FatalSignal, KernelError
from pgmap.stateful.things import Refused

T = TypeVar("T")


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


def in_turn(
    steps: Sequence[tuple[int, str]],
    start: Callable[[int, str], T],
    sleeps: Callable[[T], bool],
) -> bool:
    """Do steps of workers in turn, as a search does them first: nobody is preempted.

    `start` begins one, and `sleeps` says whether it, or one that slept, sleeps now. While a worker
    sleeps, its further steps wait, and others do theirs. False if somebody is asleep at the end.
    """
    queue, asleep = list(steps), dict[int, T]()
    while queue:
        turn = next((it for it in queue if it[0] not in asleep), None)
        if turn is None:
            return False
        queue.remove(turn)
        begun = start(*turn)
        if sleeps(begun):
            asleep[turn[0]] = begun
        while woken := [worker for worker, it in asleep.items() if not sleeps(it)]:
            for worker in woken:
                del asleep[worker]
    return not asleep
