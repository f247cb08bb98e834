"""The kernel's hmm-tests, each by its name: on a world, and explored where there are two actors.

`tools/testing/selftests/mm/hmm-tests.c` has 37 tests of `test_hmm`, most of them for private and
for coherent memory. What each of them looks at is looked at here; where this machine lacks
something that a test uses, the test is left out, and says what.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

import pgmap
from pgmap import PgmapError, World

NAMES = [
    "open_close",
    "anon_read",
    "anon_read_prot",
    "anon_write",
    "anon_write_prot",
    "anon_write_child",
    "anon_write_child_shared",
    "anon_write_huge",
    "anon_write_hugetlbfs",
    "file_read",
    "file_write",
    "migrate",
    "migrate_fault",
    "migrate_release",
    "migrate_shared",
    "migrate_multiple",
    "anon_read_multiple",
    "anon_teardown",
    "mixedmap",
    "compound",
    "exclusive",
    "exclusive_mprotect",
    "exclusive_cow",
    "hmm_gup_test",
    "hmm_cow_in_device",
    "migrate_anon_huge_empty",
    "migrate_anon_huge_zero",
    "migrate_anon_huge_free",
    "migrate_anon_huge_fault",
    "migrate_partial_unmap_fault",
    "migrate_remap_fault",
    "migrate_anon_huge_err",
    "migrate_anon_huge_zero_err",
    "benchmark_thp_migration",
    "migrate_mixed",
    "snapshot",
    "double_map",
]

LEFT_OUT = {
    "anon_read_prot": "no mapping is PROT_NONE, and nothing changes what one allows (mprotect)",
    "anon_write_hugetlbfs": "no hugetlbfs",
    "mixedmap": "no VM_MIXEDMAP mapping, and no HMM_DMIRROR_SNAPSHOT",
    "compound": "no hugetlbfs, and no HMM_DMIRROR_SNAPSHOT",
    "exclusive_mprotect": "nothing changes what a mapping allows (mprotect)",
    "migrate_anon_huge_free": "no MADV_FREE",
    "benchmark_thp_migration": "a measurement, not a test",
    "migrate_mixed": "the second device has no memory of its own",
    "snapshot": "no HMM_DMIRROR_SNAPSHOT",
}

Memory = Literal["private", "coherent"]
HUGE = 8
PAGES = 2 * HUGE


class Device:
    """A world, its worker 0, and device 0, whose memory is of a kind."""

    def __init__(self, world: World, memory: Memory) -> None:
        self.world, self.memory = world, memory
        world.spawn(0)
        if memory == "coherent":
            world.hmm_release(0, 0)
            world.hmm_load(0, memory)

    def buffer(self, kind: Literal["anon", "anonhuge"] = "anon", map: int = 0) -> None:
        """Worker 0 has memory, and each page its number, from 1."""
        self.world.anon(0, map, PAGES, kind)
        for page in range(PAGES):
            self.world.store(0, map, page, page + 1)

    def maps_a_file(self, prot: Literal["r", "rw"] = "rw") -> None:
        """Worker 0 has a file of as many pages mapped."""
        self.world.create("f", PAGES)
        self.world.open(0, 0, "f")
        self.world.mmap(0, 0, 0, 0, PAGES, prot)

    def loads(self, worker: int = 0, map: int = 0) -> list[int]:
        """What the CPU finds."""
        return [self.world.load(worker, map, page) for page in range(PAGES)]

    def reads(self, worker: int = 0, map: int = 0, device: int = 0) -> list[int]:
        """What the device finds."""
        return [self.world.hmm_read(worker, device, map, page) for page in range(PAGES)]

    def writes(self, worker: int = 0, map: int = 0, device: int = 0) -> None:
        """The device adds 100 to what a page began with."""
        for page in range(PAGES):
            self.world.hmm_write(worker, device, map, page, page + 101)

    def goes(self, worker: int = 0, map: int = 0, page: int = 0, pages: int = PAGES) -> int:
        """How many pages went to the device's memory."""
        return self.world.hmm_todev(worker, 0, map, page, pages)

    def comes(self, worker: int = 0, map: int = 0, page: int = 0, pages: int = PAGES) -> int:
        """How many pages were in the device's memory, and have come home."""
        return self.world.hmm_tosys(worker, 0, map, page, pages)

    @property
    def stays(self) -> int:
        """How many of the pages that a CPU has touched are in the device's memory still."""
        return PAGES if self.memory == "coherent" else 0


BEFORE, AFTER, ZERO = [*range(1, PAGES + 1)], [*range(101, PAGES + 101)], [0] * PAGES

SEQUENTIAL: dict[str, Callable[[Device], None]] = {}


def reenacts(test: Callable[[Device], None]) -> Callable[[Device], None]:
    SEQUENTIAL[test.__name__] = test
    return test


@reenacts
def open_close(it: Device) -> None:
    it.world.open(0, 0, "/dev/hmm_dmirror0")
    with pytest.raises(PgmapError):
        it.world.hmm_unload(0)
    it.world.close(0, 0)
    it.world.hmm_unload(0)


@reenacts
def anon_read(it: Device) -> None:
    """But for its second half, which reads what it may not write any more."""
    it.buffer()
    assert it.reads() == BEFORE
    it.world.munmap(0, 0)
    it.world.anon(0, 0, PAGES)
    assert it.reads() == ZERO


@reenacts
def anon_write(it: Device) -> None:
    it.world.anon(0, 0, PAGES)
    it.writes()
    assert it.loads() == AFTER


@reenacts
def anon_write_prot(it: Device) -> None:
    """What may not be written is a mapping of a file here, and is not allowed later."""
    it.maps_a_file("r")
    with pytest.raises(PgmapError, match="EPERM"):
        it.writes()
    assert it.loads() == it.reads()


def written_in_a_child(it: Device, kind: Literal["anon", "anonhuge"], moved: bool) -> None:
    it.buffer(kind)
    if moved:
        assert it.goes() == PAGES
    it.world.fork(0, 1)
    it.writes(worker=1)
    assert it.loads(1) == AFTER
    assert it.loads(0) == BEFORE
    assert it.reads(0) == BEFORE


@reenacts
def anon_write_child(it: Device) -> None:
    written_in_a_child(it, "anon", moved=False)


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("kind", ["anon", "anonhuge"])
@pytest.mark.parametrize("memory", ["private", "coherent"])
def test_what_a_device_writes_for_a_child_is_the_childs(
    world: World, memory: Memory, kind: Literal["anon", "anonhuge"], moved: bool
) -> None:
    written_in_a_child(Device(world, memory), kind, moved)
    assert world.violations() == ()


@reenacts
def anon_write_child_shared(it: Device) -> None:
    """What is shared is a file's here."""
    it.maps_a_file()
    it.world.fork(0, 1)
    it.writes(worker=1)
    assert it.loads(0) == AFTER


@reenacts
def anon_write_huge(it: Device) -> None:
    it.buffer("anonhuge")
    it.writes()
    assert it.loads() == AFTER


@reenacts
def file_read(it: Device) -> None:
    it.maps_a_file()
    for page in range(PAGES):
        it.world.store(0, 0, page, page + 1)
    it.world.madvise(0, 0, 3)
    assert it.reads() == BEFORE


@reenacts
def file_write(it: Device) -> None:
    it.maps_a_file()
    it.writes()
    assert it.loads() == AFTER


@reenacts
def migrate(it: Device) -> None:
    it.buffer()
    assert it.goes() == PAGES
    assert it.reads() == BEFORE
    assert it.comes() == PAGES


@reenacts
def migrate_fault(it: Device) -> None:
    it.buffer()
    for _ in range(2):
        assert it.goes() == PAGES
        assert it.reads() == BEFORE
        assert it.loads() == BEFORE
        assert it.comes() == it.stays


@reenacts
def migrate_release(it: Device) -> None:
    it.buffer()
    assert it.goes() == PAGES
    it.world.hmm_release(0, 0)
    assert it.loads() == BEFORE


@reenacts
def migrate_shared(it: Device) -> None:
    """What is shared is a file's here, which is refused as such."""
    it.maps_a_file()
    it.world.touch(0, 0, 0, PAGES, access="w")
    with pytest.raises(PgmapError, match="EINVAL"):
        it.goes()


@reenacts
def migrate_multiple(it: Device) -> None:
    for _ in range(10):
        it.buffer()
        assert it.goes() == PAGES
        assert it.loads() == BEFORE
        it.world.munmap(0, 0)


@reenacts
def anon_read_multiple(it: Device) -> None:
    for _ in range(10):
        it.buffer()
        assert it.reads() == BEFORE
        it.world.munmap(0, 0)


@reenacts
def anon_teardown(it: Device) -> None:
    it.world.clone(0, 1)
    for _ in range(10):
        it.buffer()
        unmaps = threading.Thread(target=it.world.munmap, args=(1, 0))
        unmaps.start()
        # As far as it comes.
        with contextlib.suppress(PgmapError):
            for page, held in enumerate(BEFORE):
                assert it.world.hmm_read(0, 0, 0, page) == held
        unmaps.join()


@reenacts
def exclusive(it: Device) -> None:
    it.buffer()
    assert it.world.exclusive(0, 0, 0, 0, PAGES) == PAGES
    assert it.reads() == BEFORE
    it.writes()
    assert it.loads() == AFTER
    # Which ended it, page by page.
    assert it.world.exclusive(0, 0, 0, 0, PAGES) == PAGES
    frame = it.world.mapped(0, 0, 1)
    assert frame is not None
    assert (frame.refcount, frame.mapcount) == (1, 1)


@reenacts
def exclusive_cow(it: Device) -> None:
    it.buffer()
    assert it.world.exclusive(0, 0, 0, 0, PAGES) == PAGES
    it.world.fork(0, 1)
    frame = it.world.mapped(0, 0, 1)
    assert frame is not None
    assert (frame.refcount, frame.mapcount) == (2, 2)
    for page in range(PAGES):
        it.world.store(1, 0, page, 0)
    assert it.loads(0) == BEFORE
    assert it.loads(1) == ZERO


@reenacts
def hmm_gup_test(it: Device) -> None:
    it.buffer()
    for longterm in (False, True):
        assert it.goes() == PAGES
        pin = it.world.pin(0, 0, 2, longterm=longterm)
        assert it.world.dma_read(0, pin) == 3
        get = it.world.get(0, 0, 4)
        it.world.unpin(0, get)
        it.world.unpin(0, pin)
        # What is pinned for long goes out of any device's memory.
        home = {2, 4} if it.memory == "private" else {2} if longterm else set[int]()
        assert it.comes() == PAGES - len(home)
    assert it.loads() == BEFORE


@reenacts
def hmm_cow_in_device(it: Device) -> None:
    it.buffer()
    assert it.goes() == PAGES
    it.world.fork(0, 1)
    for page in range(PAGES):
        it.world.store(1, 0, page, 0)
    assert it.loads(0) == BEFORE
    assert it.loads(1) == ZERO


@reenacts
def migrate_anon_huge_empty(it: Device) -> None:
    it.world.anon(0, 0, PAGES, "anonhuge")
    assert it.goes() == PAGES
    assert it.reads() == ZERO
    assert it.loads() == ZERO


@reenacts
def migrate_anon_huge_zero(it: Device) -> None:
    """What was only read is a page of zeroes of its own here."""
    it.world.anon(0, 0, PAGES, "anonhuge")
    assert it.loads() == ZERO
    assert it.goes() == PAGES
    assert it.reads() == ZERO
    it.world.store(0, 0, 1, 7)
    assert it.loads() == [0, 7, *ZERO[2:]]


@reenacts
def migrate_anon_huge_fault(it: Device) -> None:
    it.buffer("anonhuge")
    assert it.goes() == PAGES
    assert it.world.load(0, 0, 5) == 6
    assert it.loads() == BEFORE
    assert it.comes() == it.stays


@reenacts
def migrate_partial_unmap_fault(it: Device) -> None:
    for kind in ("anon", "anonhuge"):
        for gone in (range(2), range(3, 6), range(HUGE - 2, HUGE)):
            it.buffer(kind)
            assert it.goes() == PAGES
            it.world.munmap(0, 0, gone.start, len(gone))
            for page in range(PAGES):
                if page not in gone:
                    assert it.world.load(0, 0, page) == page + 1
            it.world.munmap(0, 0)


@reenacts
def migrate_remap_fault(it: Device) -> None:
    """But for MREMAP_DONTUNMAP."""
    for before in (True, False):
        it.buffer("anonhuge")
        if before:
            it.world.mremap(0, 0)
        assert it.goes() == PAGES
        if not before:
            it.world.mremap(0, 0)
        assert it.loads() == BEFORE
        it.world.munmap(0, 0)


def without_huge_room(it: Device) -> None:
    """The driver has a page of every huge range of its memory for itself."""
    for page in range(0, 64, HUGE):
        it.world.dev_alloc(0, page + 1, 1)


@reenacts
def migrate_anon_huge_err(it: Device) -> None:
    without_huge_room(it)
    it.buffer("anonhuge")
    assert it.goes() == PAGES
    assert it.reads() == BEFORE
    assert it.loads() == BEFORE


@reenacts
def migrate_anon_huge_zero_err(it: Device) -> None:
    without_huge_room(it)
    it.world.anon(0, 0, PAGES, "anonhuge")
    assert it.goes() == PAGES
    assert it.loads() == ZERO


@reenacts
def double_map(it: Device) -> None:
    """The second device has no memory of its own."""
    it.buffer()
    assert it.reads(device=0) == it.reads(device=1) == BEFORE
    it.writes(device=1)
    assert it.reads(device=0) == it.loads() == AFTER
    assert it.goes() == PAGES
    assert it.reads(device=1) == AFTER
    assert it.comes() == it.stays


@pytest.fixture(params=["v6.15-sound", "v7.2-sound"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(era=request.param, geometry={"pmd_order": 3}, deadline=60) as world:
        yield world


@pytest.mark.parametrize("memory", ["private", "coherent"])
@pytest.mark.parametrize("name", sorted(SEQUENTIAL))
def test_of_the_kernel_holds_on_a_world(world: World, name: str, memory: Memory) -> None:
    SEQUENTIAL[name](Device(world, memory))
    assert world.violations() == ()


def test_every_one_is_reenacted_or_has_a_reason() -> None:
    assert len(NAMES) == 37
    assert sorted([*SEQUENTIAL, *LEFT_OUT]) == sorted(NAMES)


# --- what two do at once, in every order with two preemptions -------------------------------------

EXPLORED = {
    "anon_write_child": """
w0 anon 0 1
w0 store 0 0 7
w0 fork 1
start
w1 hmm_write 0 0 0 9 | theirs: w1 load 0 0
w0 store 0 0 8 | mine: w0 load 0 0
expect mine = 8 and theirs = 9
""",
    "anon_write_child_shared": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 store 0 0 7
start
w0 hmm_write 0 0 0 9
seen: w1 load 0 0
expect seen = 7 or seen = 9
sometimes seen = 9
""",
    "migrate": """
w0 anon 0 1
w0 store 0 0 7
w0 fork 1
start
w1 hmm_todev 0 0 0 1
seen: w0 hmm_read 0 0 0 1
expect seen = 7
""",
    "migrate_fault": """
w0 anon 0 1
w0 store 0 0 7
w0 hmm_todev 0 0 0 1
w0 fork 1
start
one: w0 load 0 0 | w0 store 0 0 8
two: w1 load 0 0 | w1 store 0 0 9
expect one = 7 and two = 7
""",
    "migrate_release": """
w0 anon 0 1
w0 store 0 0 7
w0 hmm_todev 0 0 0 1
w1 spawn
start
w1 hmm_release 0
seen: w0 load 0 0
expect seen = 7
""",
    "anon_teardown": """
w0 anon 0 1
w0 store 0 0 7
w0 hmm_todev 0 0 0 1
w0 fork 1
start
w1 munmap 0
seen: w0 hmm_read 0 0 0 1
expect seen = 7
""",
    "exclusive": """
w0 anon 0 1
w0 store 0 0 7
w1 spawn
start
w0 exclusive 0 0 0 | seen: w0 hmm_read 0 0 0 1
w1 pvmread w0 0 0 1
expect seen = 7
""",
    "exclusive_cow": """
w0 anon 0 1
w0 store 0 0 7
w0 fork 1
start
w0 exclusive 0 0 0 | w0 hmm_write 0 0 0 9
seen: w1 load 0 0 | w1 store 0 0 8 | then: w1 load 0 0
expect seen = 7 and then = 8
""",
    "hmm_gup_test": """
w0 anon 0 1
w0 store 0 0 7
w0 fork 1
start
w0 pin 0 0 | seen: w0 dma_read | w0 unpin
w1 hmm_todev 0 0 0 1
expect seen = 7
""",
    "hmm_cow_in_device": """
w0 anon 0 1
w0 store 0 0 7
w0 hmm_todev 0 0 0 1
w0 fork 1
start
w1 store 0 0 9 | theirs: w1 load 0 0
mine: w0 load 0 0 | w0 store 0 0 8
expect mine = 7 and theirs = 9
""",
    "migrate_anon_huge_fault": """
w0 anonhuge 0 4
w0 store 0 1 7
w0 hmm_todev 0 0 0 4
w0 fork 1
start
w0 store 0 0 8 | seen: w0 load 0 1
w1 w 0 2
expect seen = 7
""",
    "migrate_partial_unmap_fault": """
w0 anonhuge 0 4
w0 store 0 1 7
w0 hmm_todev 0 0 0 4
w0 fork 1
start
w1 munmap 0 2 1
w0 store 0 0 8 | seen: w0 load 0 1
expect seen = 7
""",
    "migrate_remap_fault": """
w0 anonhuge 0 4
w0 store 0 1 7
w0 hmm_todev 0 0 0 4
w0 fork 1
start
w1 mremap 0 | w1 store 0 1 9
w0 store 0 0 8 | seen: w0 load 0 1
expect seen = 7
""",
    "double_map": """
w0 anon 0 1
w0 store 0 0 7
w0 fork 1
start
one: w0 hmm_read 0 0 0 1
two: w1 hmm_read 1 0 0 1
expect one = 7 and two = 7
""",
}


@pytest.mark.parametrize("memory", ["private", "coherent"])
@pytest.mark.parametrize("name", sorted(EXPLORED))
def test_of_the_kernel_holds_in_every_order(name: str, memory: Memory) -> None:
    program = EXPLORED[name]
    if memory == "coherent":
        first = program.index("w0")
        plugged = "w0 spawn\nw0 hmm_release 0\nw0 hmm_load coherent\n"
        program = program[:first] + plugged + program[first:]
    verdict = pgmap.explore(program, era="v7.2-sound", preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Exhausted), verdict


def test_what_two_do_at_once_is_one_of_them() -> None:
    assert set(EXPLORED) <= set(SEQUENTIAL)
