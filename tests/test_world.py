"""A live World: what it answers, how it fails, and how it ends."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from types import MappingProxyType

import pytest

import children
import pgmap
from pgmap import Extent, Holder, Outcome, PageState, Pinned, Program, Step, Waiter, World
from pgmap.errors import (
    Busy,
    DeadlineExceeded,
    HangDetected,
    Interrupted,
    KernelError,
    OutOfRange,
    PgmapError,
    WorldClosed,
    WorldPoisoned,
)

FAR_AWAY = 600.0
"""A deadline that no test reaches."""
SIZES = set(World().geometry)


def make(**changes: object) -> World:
    """A small world, with other sizes and other arguments."""
    sizes: dict[str, object] = {"pmd_order": 2, "pages": 64, "dev_pages": 16, "file_pages_max": 16}
    sizes |= {name: changes.pop(name) for name in SIZES & changes.keys()}
    return World(**{"deadline": FAR_AWAY, "geometry": sizes, **changes})  # type: ignore[arg-type]


@pytest.fixture
def world() -> Iterator[World]:
    with make() as world:
        world.create("f", 8, "written", "huge")
        world.spawn(0)
        world.open(0, 0, "f")
        world.mmap(0, 0, 0, 0, 8)
        yield world


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


# --- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stuck", ["auto", "raise"])
def test_many_threads_use_one_world(stuck: str) -> None:
    """They sleep for each other's locks, and somebody always runs: none of them is stuck."""
    with make(pages=256, stuck=stuck) as world:
        world.create("f", 16)
        failures: list[BaseException] = []

        def live(worker: int) -> None:
            try:
                for value in range(50):
                    world.spawn(worker)
                    world.open(worker, 0, "f")
                    world.mmap(worker, 0, 0, 0, 16)
                    world.store(worker, 0, worker, value)
                    assert world.load(worker, 0, worker) == value
                    world.pin(worker, 0, 0, 4)
                    world.exit(worker)
            except BaseException as failure:  # shown by the test
                failures.append(failure)

        threads = [threading.Thread(target=live, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert world.violations() == ()
        assert world.quiescence() == ()


def test_a_sleeping_call_lets_python_run_and_is_ended_by_another_thread(world: World) -> None:
    world.pin(0, 0, 0)
    world.spawn(1)
    truncating = InThread(world, 1, lambda: world.ftruncate(1, "f", 0))
    assert truncating.sleeps
    (waiter,) = world.waiters()
    page = world.page("f", 0)
    assert page is not None
    assert (waiter.worker, waiter.op, waiter.pfn) == (1, "ftruncate", page.pfn)
    assert world.asleep(1) == waiter.what
    assert world.asleep(0) is None
    world.unpin(0)
    assert truncating.end() is None
    assert world.size("f") == 0


def test_a_worker_does_one_thing_at_a_time(world: World) -> None:
    world.pin(0, 0, 0)
    world.spawn(1)
    truncating = InThread(world, 1, lambda: world.ftruncate(1, "f", 0))
    with pytest.raises(Busy, match="w1 is busy"):
        world.exit(1)
    assert world.interrupt(1)
    assert isinstance(truncating.end(), Interrupted)
    assert not world.interrupt(1)
    world.exit(1)


def test_a_machine_out_of_cpus_says_so_and_goes_on() -> None:
    with make(cpus=1) as world:
        world.create("f", 8)
        world.spawn(0)
        world.open(0, 0, "f")
        world.mmap(0, 0, 0, 0, 8)
        world.open(0, 1, "/dev/nullb0")
        writing = InThread(world, 0, lambda: world.dio_write(0, 1, 0, 0))
        with pytest.raises(Busy, match="cpus=1"):
            world.nop()
        world.close()
        assert isinstance(writing.end(), WorldClosed)


# --- how it ends ---------------------------------------------------------------------------------


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


WAITS: dict[str, tuple[float, str]] = {
    "wait": (0.2, "until its deadline of 0.2 s"),
    "raise": (FAR_AWAY, "nobody is left to wake it"),
}
"""By what becomes of the stuck: a deadline, and how a wait is said to have ended."""


@pytest.mark.parametrize("stuck", WAITS)
def test_a_wait_that_a_signal_could_end_ends_without_one(stuck: str) -> None:
    deadline, ended = WAITS[stuck]
    with pinned(deadline=deadline, stuck=stuck) as world:
        page = world.page("f", 0)  # a huge one: its first page is waited for
        assert page is not None
        with pytest.raises(DeadlineExceeded, match=f"w0 ftruncate .*{ended}") as caught:
            world.ftruncate(0, "f", 0)
        (waiter,) = caught.value.waiters
        assert f"w0 ftruncate waits for page to become idle, pfn {page.pfn}" in waiter
        assert caught.value.holders == (f"pfn {page.pfn}: w0 pin 0, 1 page(s)",)
        with pytest.raises(TimeoutError):
            world.execute("w0 ftruncate f 0")
        with pytest.raises(DeadlineExceeded):
            world.run(
                Program.parse(
                    "file g 1\nw0 open 0 g rw\nw0 mmap 1 0 0 1 rw shared\n"
                    "w0 pin 1 0\nw0 ftruncate 0 0"
                )
            )
        assert world.waiters() == ()
        world.unpin(0)
        world.unpin(0)
        world.ftruncate(0, "f", 0)
        world.exit(0)
        assert world.quiescence() == ()


def test_a_signal_is_not_taken_for_a_deadline() -> None:
    with pinned() as world:
        truncating = InThread(world, 0, lambda: world.ftruncate(0, "f", 0))
        world.interrupt(0)
        assert type(truncating.end()) is Interrupted


def test_a_device_that_nobody_tells_to_end_is_named() -> None:
    with pinned(stuck="raise") as world:
        world.open(0, 1, "/dev/nullb0")
        with pytest.raises(HangDetected, match=r"w0 dio_write .*I/O in flight") as caught:
            world.dio_write(0, 1, 0, 0)
        assert caught.value.holders == ("the slow device, until complete_io() or tick()",)


ALONE = """
    from pgmap import World
    from pgmap.errors import DeadlineExceeded, HangDetected
    world = World(deadline=600)
    world.create("f", 8)
    world.spawn(0)
    world.mmap(0, 0, "f", 0, 8)
    world.pin(0, 0, 0)
    for _ in range(100):
        try:
            world.ftruncate(0, "f", 0)
        except DeadlineExceeded as exceeded:
            assert "nobody is left" in str(exceeded), exceeded
        else:
            raise SystemExit("truncated")
    world.unlink(0, "f")
    try:
        world.munmap(0, 0)
    except HangDetected as hang:
        assert "nobody is left" in str(hang), hang
        raise SystemExit(42)
"""


def test_a_call_in_the_only_thread_that_there_is_ends_at_once() -> None:
    ran = children.run([sys.executable, "-c", textwrap.dedent(ALONE)], timeout=60)
    assert ran.returncode == 42, ran.stderr


def test_a_call_waits_for_a_thread_that_has_not_called_yet() -> None:
    with pinned() as world:

        def unpin() -> None:
            while world.asleep(0) is None:
                pass
            world.kill(1)

        world.fork(0, 1)
        world.unpin(0)
        world.pin(1, 0, 3)
        thread = threading.Thread(target=unpin)
        thread.start()
        world.ftruncate(0, "f", 0)
        thread.join()
        assert world.size("f") == 0


def test_threads_that_do_not_call_are_not_waited_for_if_the_world_is_told_so() -> None:
    idle = threading.Event()
    thread = threading.Thread(target=idle.wait)
    thread.start()
    try:
        with pinned(stuck="raise") as world, pytest.raises(DeadlineExceeded, match="nobody"):
            world.ftruncate(0, "f", 0)
        with pinned(deadline=0.2) as world, pytest.raises(DeadlineExceeded, match="deadline"):
            world.ftruncate(0, "f", 0)
    finally:
        idle.set()
        thread.join()


@pytest.mark.parametrize("stuck", WAITS)
def test_a_wait_that_no_signal_ends_poisons_the_world(stuck: str) -> None:
    deadline, ended = WAITS[stuck]
    with pinned(deadline=deadline, stuck=stuck) as world:
        world.unlink(0, "f")
        with pytest.raises(HangDetected, match=f"w0 munmap .*{ended}") as caught:
            world.munmap(0, 0)
        (waiter,) = caught.value.waiters
        assert "w0 munmap waits for page to become idle" in waiter
        assert any("w0 pin 0" in holder for holder in caught.value.holders)
        for _ in range(2):
            with pytest.raises(WorldPoisoned, match="w0 munmap hung"):
                world.nop()
    with pytest.raises(WorldClosed):
        world.nop()


def test_closing_ends_the_calls_in_progress(world: World) -> None:
    world.pin(0, 0, 0)
    world.spawn(1)
    truncating = InThread(world, 1, lambda: world.ftruncate(1, "f", 0))
    assert truncating.sleeps
    world.close()
    assert isinstance(truncating.end(), WorldClosed)
    assert world.closed


def test_a_forked_child_is_refused_and_its_parent_is_not_disturbed(world: World) -> None:
    world.pin(0, 0, 0)
    world.spawn(1)
    truncating = InThread(world, 1, lambda: world.ftruncate(1, "f", 0))
    assert truncating.sleeps
    program = textwrap.dedent("""
        import os
        from pgmap import World
        from pgmap.errors import WorldPoisoned
        world = World()
        child = os.fork()
        if child == 0:
            try:
                world.nop()
            except WorldPoisoned as refused:
                with World() as fresh:
                    fresh.nop()
                world.close()
                os._exit(0 if "forked" in str(refused) else 2)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        world.nop()
        raise SystemExit(os.waitstatus_to_exitcode(status))
    """)
    assert children.run([sys.executable, "-c", program], timeout=60).returncode == 0
    world.unpin(0)
    assert truncating.end() is None


CTRL_C = """
    import os, signal, threading
    from pgmap import World
    from pgmap.errors import WorldPoisoned
    # A shell ignores the signal on behalf of what it runs in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Once the presser has gone nobody is left to end the sleep, which would be told at once.
    world = World(deadline=600, stuck="wait")
    world.create("f", 8)
    world.spawn(0)
    world.mmap(0, 0, "f", 0, 8)
    world.pin(0, 0, 0)
    {prepare}
    def press():
        while world.asleep(0) is None:
            pass
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press, daemon=True).start()
    try:
        {sleep}
    except KeyboardInterrupt as pressed:
        {after}
        raise SystemExit(42)
"""


@pytest.mark.parametrize(
    ("prepare", "sleep", "after"),
    [
        ("pass", "world.ftruncate(0, 'f', 0)", "assert world.unpin(0) == 1"),
        (
            "world.unlink(0, 'f')",
            "world.munmap(0, 0)",
            "assert isinstance(pressed.__cause__, WorldPoisoned), pressed.__cause__",
        ),
    ],
    ids=["interruptible", "uninterruptible"],
)
def test_ctrl_c_ends_a_sleeping_call(prepare: str, sleep: str, after: str) -> None:
    program = textwrap.dedent(CTRL_C.format(prepare=prepare, sleep=sleep, after=after))
    ran = children.run([sys.executable, "-c", program], timeout=60)
    assert ran.returncode == 42, ran.stderr


def test_a_signal_handler_inside_a_call_may_not_call_into_a_world(world: World) -> None:
    world.pin(0, 0, 0)
    seen: list[BaseException] = []

    def handler(*_: object) -> None:
        try:
            world.nop()
        except PgmapError as refused:
            seen.append(refused)
        world_interrupter.set()

    world_interrupter = threading.Event()

    def press() -> None:
        while world.asleep(0) is None:
            pass
        os.kill(os.getpid(), signal.SIGUSR2)
        world_interrupter.wait()
        world.interrupt(0)

    old = signal.signal(signal.SIGUSR2, handler)
    try:
        thread = threading.Thread(target=press)
        thread.start()
        with pytest.raises(Interrupted):
            world.ftruncate(0, "f", 0)
        thread.join()
    finally:
        signal.signal(signal.SIGUSR2, old)
    (refused,) = seen
    assert "signal handler" in str(refused)


def test_names_can_be_used_again_for_ever(world: World) -> None:
    for n in range(4096 + 100):  # more than there can be files
        world.create(f"name{n}", 1)
        world.unlink(0, f"name{n}")
    with pytest.raises(KernelError, match="ENOENT"):
        world.open(0, 5, "name3")


def test_a_frame_outside_the_machine_is_refused(world: World) -> None:
    with pytest.raises(OutOfRange, match="frames 0 to"):
        world.frame(10**9)
