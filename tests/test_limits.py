"""Every kind of handle at its limit.

What there is no room for is refused before anything is taken, and what is given back is free again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pgmap import World
from pgmap.errors import KernelError
from pgmap.stateful._calls import Call

SMALL = {"pmd_order": 2, "pages": 64, "dev_pages": 8, "file_pages_max": 16}


def make(**sizes: int) -> World:
    world = World(geometry={**SMALL, **sizes}, deadline=600)
    world.create("f", 8)
    world.spawn(0)
    world.mmap(0, 0, "f", 0, 8)
    return world


@dataclass(frozen=True)
class Kind:
    """How to take the n-th handle, how to give it back, and how many there are."""

    take: Callable[[World, int], object]
    give: Callable[[World, int], object]
    sizes: dict[str, int]
    limit: int
    """Of those that can be taken; what the world has already is not among them."""
    refusal: str


KINDS = {
    "pin": Kind(
        lambda w, n: w.pin(0, 0, n % 8),
        lambda w, n: w.unpin(0),
        {"pins_max": 5},
        5,
        "ENOMEM",
    ),
    "get": Kind(
        lambda w, n: w.get(0, 0, n % 8),
        lambda w, n: w.unpin(0),
        {"pins_max": 5},
        5,
        "ENOMEM",
    ),
    "fd": Kind(
        lambda w, n: w.open(0, n, "f"),
        lambda w, n: w.close(0, n),
        {"fds_max": 4},
        4,
        "EMFILE",
    ),
    "map": Kind(
        lambda w, n: w.mmap(0, n + 1, "f", 0, 8),
        lambda w, n: w.munmap(0, n + 1),
        {"maps_max": 5},
        4,
        "EINVAL",
    ),
    "process": Kind(
        lambda w, n: w.spawn(n + 1),
        lambda w, n: w.exit(n + 1),
        {"procs_max": 4},
        3,
        "ENOMEM",
    ),
    "fork": Kind(
        lambda w, n: w.fork(0, n + 1),
        lambda w, n: w.kill(n + 1),
        {"procs_max": 4},
        3,
        "ENOMEM",
    ),
    "file": Kind(
        lambda w, n: w.create(f"g{n}", 1),
        lambda w, n: w.unlink(0, f"g{n}"),
        {"files_max": 4},
        3,
        "ENOSPC",
    ),
    "many files": Kind(
        lambda w, n: w.create(f"g{n}", 1),
        lambda w, n: w.unlink(0, f"g{n}"),
        {"files_max": 201, "pages": 512},
        200,
        "ENOSPC",
    ),
    "block": Kind(
        lambda w, n: w.create(f"g{n}", 1),
        lambda w, n: w.unlink(0, f"g{n}"),
        {"pages": 12, "file_pages_max": 12},
        4,
        "ENOSPC",
    ),
    "driver page": Kind(
        lambda w, n: w.dev_alloc(0, n, 1),
        lambda w, n: w.dev_put(0, n),
        {"dev_pages": 8},
        8,
        "EINVAL",
    ),
    "pipe buffer": Kind(
        lambda w, n: w.vmsplice(0, 0, 0, n % 8),
        lambda w, n: w.drain(0, 0),
        {"pipe_slots": 4},
        4,
        "EAGAIN",
    ),
}


def words(world: World) -> list[object]:
    return [world.frame(pfn) for pfn in range(world.geometry["pages"] + 4)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_there_is_no_room_for_is_refused_and_what_is_given_back_is_free(kind: Kind) -> None:
    with make(**kind.sizes) as world:
        world.pipe(0, 0)
        world.touch(0, 0, 0, 8)
        for n in range(kind.limit):
            kind.take(world, n)
        for _ in range(2):
            before = words(world)
            with pytest.raises(KernelError) as refused:
                kind.take(world, kind.limit)
            assert refused.value.name == kind.refusal
            assert words(world) == before
            kind.give(world, kind.limit - 1)
            kind.take(world, kind.limit - 1)
        for _ in range(3 * kind.limit):
            kind.give(world, kind.limit - 1)
            kind.take(world, kind.limit - 1)
        for n in reversed(range(kind.limit)):
            kind.give(world, n)
        world.exit(0)
        assert world.quiescence() == ()
        assert world.violations() == ()


def test_a_pin_number_is_free_again_when_its_pin_is_given_back() -> None:
    """Numbers come round after 65,536 calls, and pass over those in use."""
    with make(pins_max=3) as world:
        kept = world.pin(0, 0, 0)
        numbers = set()
        for _ in range(2**16 + 2):
            pinned = world.pin(0, 0, 1)
            assert world.unpin(0, pinned) == 1
            numbers.add(pinned.pin)
        assert numbers == set(range(2**16)) - {kept.pin}
        older, newer = world.pin(0, 0, 2, access="r"), world.get(0, 0, 3)
        assert newer.pin < 10, "it came round"
        assert world.unpin(0, newer) == 1
        assert world.unpin(0, kept) == 1
        assert world.unpin(0, older) == 1
        world.exit(0)
        assert world.quiescence() == ()


def test_the_most_recent_pin_is_given_back_first_when_numbers_come_round() -> None:
    with make() as world:
        for _ in range(2**16 - 1):  # a call that fails uses a number up, too
            with pytest.raises(KernelError):
                world.get(0, 9, 0)
        last, first = world.pin(0, 0, 0, 2), world.pin(0, 0, 2, 3)
        assert (last.pin, first.pin) == (2**16 - 1, 0)
        assert world.unpin(0) == first.pages
        assert world.unpin(0) == last.pages


def test_a_pin_takes_no_more_than_there_is_room_for() -> None:
    with make(pins_max=4) as world:
        world.mmap(0, 1, "f", 0, 8, align="odd")  # a page at a time
        world.touch(0, 1, 0, 8)
        assert world.pin(0, 1, 0, 3).pages == 3
        before = words(world)
        assert world.pin(0, 1, 3, 4).pages == 1
        assert world.unpin(0) == 1
        assert words(world) == before
        assert world.pin(0, 1, 5, 2).pages == 1


def test_each_number_of_each_process_can_have_a_file() -> None:
    with make(procs_max=3, fds_max=4, maps_max=5) as world:
        for worker in range(3):
            if worker > 0:
                world.spawn(worker)
            for fd in range(4):
                world.open(worker, fd, "f")
            for map in range(int(worker == 0), 5):
                world.mmap(worker, map, "f", 0, 8)
        assert world.pread(0, "f", 0) == (0,)
        for worker in range(3):
            world.exit(worker)
        assert world.quiescence() == ()


def test_each_number_of_each_process_can_have_a_pipe() -> None:
    with make(procs_max=12, pipes_max=11) as world:
        for worker in range(12):
            if worker > 0:
                world.spawn(worker)
            for pipe in range(11):
                world.pipe(worker, pipe)
            with pytest.raises(KernelError, match="EMFILE"):
                world.pipe(worker, 11)
            with pytest.raises(KernelError, match="EBUSY"):
                world.pipe(worker, 10)
        for worker in range(12):
            world.exit(worker)
        assert world.quiescence() == ()


def test_each_cpu_can_have_io_in_flight() -> None:
    with make(procs_max=1, cpus=5) as world:
        world.open(0, 0, "/dev/nullb0")
        for worker in range(1, 4):
            world.clone(0, worker)
        for _ in range(2):
            calls = [
                Call(world, worker, lambda worker=worker: world.dio_write(worker, 0, 0, worker))  # type: ignore[misc]
                for worker in range(4)
            ]
            assert all(call.sleeps() for call in calls)
            world.complete_io()
            assert not any(call.sleeps() for call in calls)
            assert [call.returned for call in calls] == [4096] * 4
        for worker in range(4):
            world.exit(worker)
        assert world.quiescence() == ()


def test_io_that_finds_no_pages_gives_its_place_back() -> None:
    with make(cpus=2) as world:
        world.open(0, 0, "/dev/nullb0")
        for _ in range(5):
            with pytest.raises(KernelError, match="EFAULT"):
                world.dio_write(0, 0, 9, 0)
        call = Call(world, 0, lambda: world.dio_write(0, 0, 0, 0))
        assert call.sleeps()
        world.complete_io()
        assert not call.sleeps()
        world.exit(0)
        assert world.quiescence() == ()
