"""`pgmap.refs`: references of a world's own, from Python threads and in programs."""

from __future__ import annotations

import threading

import pytest

from pgmap import Exhausted, Found, World, explore
from pgmap.refs import PercpuRef

FREEZE = "w1 ref_kill 0\nw1 ref_wait 0\nw1 ref_resurrect 0\n"


@pytest.fixture
def world() -> World:
    return World(deadline=600)


def test_a_killed_ref_refuses_the_living_and_counts_the_rest(world: World) -> None:
    ref = PercpuRef(world, 3)
    assert ref.tryget_live()
    ref.kill()
    assert (ref.tryget_live(), ref.tryget()) == (False, True)
    ref.put()
    ref.put()
    assert not ref.tryget()
    ref.wait()
    ref.resurrect()
    assert ref.tryget_live()
    ref.put()
    assert world.violations() == ()


def test_who_drains_waits_for_every_thread(world: World) -> None:
    ref, started = PercpuRef(world, worker=3), threading.Barrier(4)
    counts = [0, 0, 0]

    def submit(worker: int) -> None:
        mine = PercpuRef(world, 0, worker)
        started.wait()
        while mine.tryget_live():
            counts[worker] += 1
            mine.put()

    threads = [threading.Thread(target=submit, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    ref.kill()
    ref.wait()
    for thread in threads:
        thread.join()
    assert not ref.tryget()
    assert world.violations() == ()


def test_the_same_protocol_is_searched() -> None:
    drained = explore(f"w0 ref_tryget_live 0\nstart\nw0 ref_put 0\n{FREEZE}")
    assert isinstance(drained, Exhausted)
    forgets = explore(f"w0 ref_tryget_live 0\nstart\nw0 ref_wait 0\nw0 ref_put 0\n{FREEZE}")
    assert isinstance(forgets, Found)
    assert "I20" in str(forgets)
