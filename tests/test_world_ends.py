"""A live World: who may use it at once, how a call fails, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading

import pytest

import children
from pgmap import Program, World
from pgmap.errors import (
    Busy,
    DeadlineExceeded,
    HangDetected,
    Interrupted,
    PgmapError,
    WorldClosed,
    WorldPoisoned,
)
from worlds import FAR_AWAY, InThread, make, pinned

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
