"""A live World: what it answers, and as what values."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from types import MappingProxyType

import pytest

import pgmap
from pgmap import Extent, Holder, Outcome, PageState, Pinned, Program, Step, Waiter, World
from pgmap.errors import (
    KernelError,
    OutOfRange,
    PgmapError,
)
from worlds import FAR_AWAY, InThread, make, poison

# --- what it answers -----------------------------------------------------------------------------


def test_a_page_goes_through_its_life(world: World) -> None:
    world.store(0, 0, 1, 42)
    head, tail = world.page("f", 0), world.page("f", 1)
    assert head is not None
    assert tail is not None
    assert (head.refcount, head.order, head.entire_mapcount, head.mapping) == (1, 2, 1, True)
    assert (tail.refcount, tail.tail_of, tail.order, tail.data) == (0, 1, None, 42)
    pinned = world.pin(0, 0, 1, 2, access="w")
    assert pinned == Pinned(pin=0, pages=2)
    assert world.frame(head.pfn).pincount == 2
    assert world.holders(tail.pfn)[0] == Holder("w0 pin 0", 2)
    world.dma_write(0, 7, pinned)
    assert world.dma_read(0, pinned) == world.load(0, 0, 1) == 7
    assert world.pread(0, "f", 0, 99) == (0, 7, 0, 0, 0, 0, 0, 0)
    assert world.unpin(0, pinned) == 2
    world.munmap(0, 0)
    world.ftruncate(0, 0, 0)
    assert world.page("f", 0) is None
    assert world.frame(head.pfn).refcount == 0


def test_blocks_and_sizes_can_be_seen(world: World) -> None:
    world.punch(0, "f", 2, 5)
    assert [e.page for e in world.extents("f")] == [0, 1, 7]
    assert all(e.written for e in world.extents("f"))
    assert world.size("f") == 8
    world.ftruncate(0, "f", 1)
    first = world.page("f", 0)
    assert first is not None
    assert world.extents("f") == (Extent(0, first.pfn, True),)


def test_references_outlive_their_maker_in_a_pipe(world: World) -> None:
    world.pipe(0, 0)
    assert world.vmsplice(0, 0, 0, 0, 2) == 8192
    world.fork(0, 1)
    world.exit(0)
    page = world.page("f", 0)
    assert page is not None
    assert page.refcount == 2
    assert world.drain(1, 0, 1) == 4096
    assert world.frame(page.pfn).refcount == 1
    world.exit(1)
    assert world.quiescence() == ()


def test_a_thread_shares_what_its_process_has(world: World) -> None:
    world.clone(0, 1)
    world.store(1, 0, 0, 5)
    world.exit(0)
    assert world.load(1, 0, 0) == 5
    world.exit(1)
    assert world.quiescence() == ()


def test_direct_io_is_in_flight_until_it_is_told_to_complete(world: World) -> None:
    world.open(0, 1, "/dev/nullb0")
    writing = InThread(world, 0, lambda: world.dio_write(0, 1, 0, 0))
    assert writing.sleeps
    page = world.page("f", 0)
    assert page is not None
    assert page.pincount == 1
    assert world.holders(page.pfn)[0].who == "w0 I/O in flight"
    world.complete_io()
    assert writing.end() is None
    assert world.frame(page.pfn).pincount == 0


def test_driver_memory_is_counted(world: World) -> None:
    assert world.dev_alloc(0, 0, 6) == 2
    world.dev_get(0, 0)
    assert world.quiescence() != ()
    for page in (0, 0, 4):
        world.dev_put(0, page)
    world.exit(0)
    assert world.quiescence() == ()


def test_a_wrong_rule_shows_as_a_violation() -> None:
    with make(rules={"truncate-break-layout": "off"}) as world:
        world.create("f", 4)
        world.spawn(0)
        world.open(0, 0, "f")
        world.mmap(0, 0, 0, 0, 4)
        world.pin(0, 0, 0)
        world.ftruncate(0, 0, 0)
        seen = world.violations()
        assert "I18" in {violation.invariant for violation in seen}
        assert eval(repr(seen), vars(pgmap)) == seen
        assert world.rules["truncate-break-layout"] == "off"


def test_a_violation_is_known_by_its_rule_and_by_who_does_what() -> None:
    def unbound(**changes: object) -> set[tuple[str, str | None]]:
        with make(**changes) as world:
            world.create("f", 4)
            world.spawn(0)
            world.open(0, 0, "f")
            world.mmap(0, 0, 0, 0, 4)
            world.pin(0, 0, 0)
            world.unbind()
            assert any("machine unbind" in seen.parties for seen in world.violations())
            return {(seen.invariant, seen.known) for seen in world.violations()}

    assert ("I13-strong", "B31") in unbound(era="v6.15")
    # The same rule where it did not ship is nobody's known race.
    told = unbound(rules={"teardown-pages": "ignore"})
    assert ("I13-strong", None) in told


def test_slow_paths_are_counted(world: World) -> None:
    before = world.tallies()["pmd_mapped"]
    world.load(0, 0, 0)
    assert world.tallies()["pmd_mapped"] == before + 1


# --- programs ------------------------------------------------------------------------------------

TEXT = """
file g 4 written
w2 open 0 g rw
w2 mmap 0 0 0 4 rw shared
w2 w 0 0 | w2 pin 0 0 | w2 unpin
w2 r 0 9
w2 close 7
w2 exit
"""


def test_a_program_runs_step_by_step(world: World) -> None:
    # The reference to a descriptor never opened is refused before anything runs.
    with pytest.raises(PgmapError, match="line 7"):
        Program.parse(TEXT)
    program = Program.parse(TEXT.replace("w2 close 7", "w2 close 0 | w2 close 0"))
    outcomes = world.run(program)
    assert [o.step for o in outcomes] == [s.text for s in program.steps]
    assert outcomes[3] == Outcome("w2 pin 0 0", 1, None)
    assert outcomes[5].failed == "SIGSEGV"
    assert [o.failed for o in outcomes[6:8]] == [None, "EBADF"]
    world.exit(0)
    assert world.quiescence() == ()


def test_a_step_can_be_executed_by_itself(world: World) -> None:
    assert world.execute("w0 pin 0 0 2") == 2
    assert world.execute(Step("w0 unpin", 0, True)) == 2
    with pytest.raises(KernelError, match="EINVAL"):
        world.execute("w0 unpin")


def test_a_program_is_a_value() -> None:
    program = Program.parse("file g 4\nw0 open 0 g rw &\nw1 nop")
    assert program == eval(repr(program), vars(pgmap)) == pickle.loads(pickle.dumps(program))
    assert hash(program) == hash(Program(program.text))
    assert program != Program.parse("w1 nop")
    assert program != program.text
    assert program.files == (("g", 4),)
    assert program.workers == (0, 1)
    assert program.steps[0] == Step("w0 open 0 g rw &", 0, wait=False)
    assert len(program) == 2
    assert str(program) == program.text


# --- values --------------------------------------------------------------------------------------


def test_what_it_answers_can_be_pasted_pickled_and_not_changed(world: World) -> None:
    world.store(0, 0, 1, 42)
    page = world.page("f", 1)
    assert page is not None
    values = [page, *world.extents("f"), *world.holders(page.pfn), world.pin(0, 0, 0)]
    values += [Waiter(0, "close", "page to become idle", 5, None, 1.5)]
    for value in values:
        assert eval(repr(value), vars(pgmap)) == value
        assert pickle.loads(pickle.dumps(value)) == value
        assert hash(pickle.loads(pickle.dumps(value))) == hash(value)
    with pytest.raises((FrozenInstanceError, AttributeError)):
        page.refcount = 5  # type: ignore[misc]
    assert isinstance(page, PageState)


def test_a_world_prints_as_it_is_made() -> None:
    with make(era="v6.15", rules={"zap-put": "before-flush"}, checks=False) as world:
        with eval(repr(world), vars(pgmap)) as again:
            assert repr(again) == repr(world)
        assert (world.era, world.checks, world.deadline) == ("v6.15", False, FAR_AWAY)
        assert world.rules["zap-put"] == "before-flush"
        assert world.geometry["pmd_order"] == 2


def test_a_world_prints_what_is_not_as_usual() -> None:
    with World() as world:
        assert repr(world) == "World(era='v6.15-sound', deadline=10.0)"
    with World(geometry={"pages": 64, "file_pages_max": 16}, stuck="wait", deadline=1) as world:
        sizes = "geometry={'pages': 64, 'file_pages_max': 16}"
        assert repr(world) == f"World(era='v6.15-sound', {sizes}, deadline=1.0, stuck='wait')"


def test_a_world_that_has_ended_prints_so() -> None:
    world = World()
    made = repr(world)
    world.close()
    assert repr(world) == f"<closed {made}>"
    with make(stuck="raise") as world:
        made = repr(world)
        poison(world)
        assert repr(world) == f"<poisoned {made}>"
    assert repr(world) == f"<closed {made}>"


def test_a_world_can_be_referred_to_weakly() -> None:
    world = World()
    weak = weakref.ref(world)
    assert weak() is world
    del world
    gc.collect()
    assert weak() is None


def test_a_world_is_neither_copied_nor_pickled(world: World) -> None:
    refused: list[Callable[[], object]] = [lambda: copy.copy(world), lambda: copy.deepcopy(world)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        refused.append(lambda protocol=protocol: pickle.dumps(world, protocol))  # type: ignore[misc]
    for call in refused:
        with pytest.raises(TypeError, match="a World is a live machine"):
            call()
    world.nop()


def test_sizes_are_given_as_to_a_search() -> None:
    sizes = MappingProxyType({"pmd_order": 3, "pages": 64, "file_pages_max": 16})
    with World(geometry=sizes) as world:
        assert {name: world.geometry[name] for name in sizes} == sizes
    verdict = pgmap.explore("w0 nop", geometry=sizes)
    assert {name: verdict.geometry[name] for name in sizes} == sizes


def test_names_can_be_used_again_for_ever(world: World) -> None:
    for n in range(4096 + 100):  # more than there can be files
        world.create(f"name{n}", 1)
        world.unlink(0, f"name{n}")
    with pytest.raises(KernelError, match="ENOENT"):
        world.open(0, 5, "name3")


def test_a_frame_outside_the_machine_is_refused(world: World) -> None:
    with pytest.raises(OutOfRange, match="frames 0 to"):
        world.frame(10**9)
