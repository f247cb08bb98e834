"""Small worlds for tests, and calls on them from threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pgmap import World
from pgmap.errors import HangDetected

FAR_AWAY = 600.0
"""A deadline that no test reaches."""
SIZES = set(World().geometry)


def make(**changes: object) -> World:
    """A small world, with other sizes and other arguments."""
    sizes: dict[str, object] = {"pmd_order": 2, "pages": 64, "dev_pages": 16, "file_pages_max": 16}
    sizes |= {name: changes.pop(name) for name in SIZES & changes.keys()}
    return World(**{"deadline": FAR_AWAY, "geometry": sizes, **changes})  # type: ignore[arg-type]


class InThread:
    """A call on a thread of its own, asleep or over by the time this exists."""

    def __init__(self, world: World, worker: int, call: Callable[[], object]) -> None:
        self.raised: BaseException | None = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()
        while not self.over.wait(0.001):
            if world.asleep(worker) is not None and world.settled():
                break

    def _run(self, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as raised:  # looked at by the test
            self.raised = raised
        finally:
            self.over.set()

    @property
    def sleeps(self) -> bool:
        return not self.over.is_set()

    def end(self) -> BaseException | None:
        self.thread.join()
        return self.raised


def pinned(**arguments: object) -> World:
    """A world of which one worker holds a page that it may go and wait for."""
    world = make(**arguments)
    world.create("f", 8)
    world.spawn(0)
    world.mmap(0, 0, "f", 0, 8)
    world.pin(0, 0, 3)
    return world


def poison(world: World) -> HangDetected:
    """Lets a worker wait for what it holds itself, in a wait that no signal ends."""
    world.create("p", 1)
    world.spawn(5)
    world.mmap(5, 0, "p", 0, 1)
    world.pin(5, 0, 0)
    world.unlink(5, "p")
    with pytest.raises(HangDetected) as caught:
        world.munmap(5, 0)
    return caught.value
