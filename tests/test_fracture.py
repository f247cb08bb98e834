"""Folios under their own names: split while many threads look at them, and by the explorer."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pgmap
from pgmap import Folio, Pagemap, PgmapError, World
from pgmap.errors import WouldBlock

PAGES = 8


@pytest.fixture
def world() -> Iterator[World]:
    with World(geometry={"pmd_order": 3}, deadline=60) as world:
        yield world


def plugged(world: World) -> Pagemap:
    return world.memremap_pages("private", 64)


def refused(number: int, call: object) -> None:
    assert callable(call)
    with pytest.raises(PgmapError) as caught:
        call()
    assert getattr(caught.value, "errno", None) == number


def test_folios_are_maximal_and_hold_their_pagemap(world: World) -> None:
    memory = plugged(world)
    assert (memory.type, memory.pages, memory.shift, memory.references) == ("private", 64, 0, 1)
    folios = world.pgmap_alloc_folios(memory, memory.start + 2, 10)
    assert [(f.pfn - memory.start, f.order, f.refcount) for f in folios] == [
        (2, 1, 1),
        (4, 2, 1),
        (8, 2, 1),
    ]
    assert memory.references == 11
    refused(errno.EBUSY, lambda: world.pgmap_alloc_folios(memory, memory.start, 3))
    refused(errno.EINVAL, lambda: world.pgmap_alloc_folios(memory, memory.start + 60, 5))
    for folio in folios:
        folio.put()
    assert (memory.references, world.violations()) == (1, ())


def test_a_split_folio_is_as_many_with_a_reference_each(world: World) -> None:
    memory = plugged(world)
    [folio] = world.pgmap_alloc_folios(memory, memory.start, PAGES)
    halves = folio.split(2)
    assert [(f.pfn - memory.start, f.order, f.refcount) for f in halves] == [(0, 2, 1), (4, 2, 1)]
    assert halves[0] == folio
    assert halves[1] != folio
    assert len({*halves, folio}) == 2
    assert [f.pfn - memory.start for f in halves[1].split()] == [4, 5, 6, 7]
    refused(errno.EINVAL, lambda: halves[0].split(2))
    assert memory.references == 1 + PAGES


def test_a_reference_or_a_pin_keeps_a_folio_whole(world: World) -> None:
    memory = plugged(world)
    [folio] = world.pgmap_alloc_folios(memory, memory.start, 2)
    tail = memory.folio_try_get(folio.pfn + 1)
    assert tail == folio
    assert folio.refcount == 2
    refused(errno.EAGAIN, folio.split)
    folio.put()
    folio.pin()
    assert folio.maybe_dma_pinned
    refused(errno.EAGAIN, folio.split)
    folio.unpin()
    folio.get()
    folio.put(2)
    assert (folio.refcount, folio.try_get(), memory.folio_try_get(folio.pfn)) == (0, False, None)
    assert world.violations() == ()


def test_a_get_by_who_has_no_reference_is_told(world: World) -> None:
    memory = plugged(world)
    [folio] = world.pgmap_alloc_folios(memory, memory.start, 1)
    folio.put()
    refused(errno.ENOMEM, folio.get)
    folio.put()
    assert [violation.invariant for violation in world.violations()] == ["I02", "I01"]


def test_a_pagemap_goes_when_nothing_refers_to_it_and_its_folios_with_it(world: World) -> None:
    first = plugged(world)
    second = world.memremap_pages("generic", 16, 3)
    assert second.start >= first.start + first.pages
    assert (second.shift, second.references) == (3, 3)
    [folio] = world.pgmap_alloc_folios(first, first.start, 1)
    folio.put()
    first.memunmap()
    refused(errno.ENODEV, first.memunmap)
    refused(errno.ENODEV, folio.get)
    assert world.memremap_pages("coherent", 64).start == first.start
    with World() as other, pytest.raises(ValueError, match="another world"):
        other.pgmap_alloc_folios(second, second.start, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, PAGES - 1), st.sampled_from(("split", "get", "put")), st.integers(0, 2)
        )
    )
)
def test_orders_and_counts_are_what_a_dictionary_says(steps: list[tuple[int, str, int]]) -> None:
    with World(geometry={"pmd_order": 3}, deadline=60) as world:
        memory = plugged(world)
        [whole] = world.pgmap_alloc_folios(memory, memory.start, PAGES)
        model = {0: (3, 1)}
        handles: dict[int, Folio] = {0: whole}
        for page, what, order in steps:
            head = next((h for h, (o, _) in model.items() if h <= page < h + (1 << o)), None)
            if head is None:
                assert memory.folio_try_get(memory.start + page) is None
                continue
            own, refs = model[head]
            if what == "split" and order < own and refs == 1:
                handles |= {f.pfn - memory.start: f for f in handles[head].split(order)}
                model |= {h: (order, 1) for h in range(head, head + (1 << own), 1 << order)}
            elif what == "split":
                with pytest.raises(PgmapError):
                    handles[head].split(order)
            elif what == "get":
                handles[head].get()
                model[head] = (own, refs + 1)
            else:
                handles[head].put()
                model[head] = (own, refs - 1)
                if refs == 1:
                    del model[head]
            for at, (o, r) in model.items():
                assert (handles[at].order, handles[at].refcount) == (o, r)
        assert memory.references == 1 + sum(1 << o for o, _ in model.values())
        assert world.violations() == ()


def test_many_threads_split_and_walk_and_nothing_is_lost() -> None:
    with World(geometry={"pmd_order": 3}, deadline=60) as world:
        memory = plugged(world)
        pfns = range(memory.start, memory.start + PAGES)
        over = threading.Event()

        def walk() -> None:
            while not over.is_set():
                for pfn in pfns:
                    if folio := memory.folio_try_get(pfn):
                        folio.put()

        walkers = [threading.Thread(target=walk) for _ in range(3)]
        for walker in walkers:
            walker.start()
        for turn in range(300):
            parts = list(world.pgmap_alloc_folios(memory, memory.start, PAGES))
            for order in (2, turn % 2):
                for folio in [part for part in parts if part.order > order]:
                    # Unless a walker has a reference on it.
                    with contextlib.suppress(WouldBlock):
                        parts += folio.split(order)[1:]
            for folio in parts:
                folio.put()
            while any(world.frame(pfn).refcount for pfn in pfns):
                """A walker puts the last reference."""
        over.set()
        for walker in walkers:
            walker.join()
        assert (memory.references, world.violations()) == (1, ())
        memory.memunmap()


RACE = "w0 dev_alloc 0 2\nstart\nw0 try_get 1 | w0 unpin\nw1 split 0 | w1 dev_put 0\n"


def test_the_explorer_tries_every_interleaving_of_a_walk_and_a_split() -> None:
    verdict = pgmap.explore(RACE, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Exhausted)


@pytest.mark.parametrize(
    "rule", ["head-recheck=off", "split-freeze=ignored", "split-unfreeze=head-first"]
)
def test_the_explorer_finds_each_mistake_of_a_split(rule: str) -> None:
    name, value = rule.split("=")
    verdict = pgmap.explore(RACE, rules={name: value}, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Found)


# --- mapped folios --------------------------------------------------------------------------------


def huge(world: World, pages: int = PAGES) -> None:
    """Worker 0 maps anonymous memory in huge pages, and writes each its number."""
    world.spawn(0)
    world.anon(0, 0, pages, "anonhuge")
    for page in range(pages):
        world.store(0, 0, page, page + 1)


def holds(world: World, worker: int, pages: int = PAGES) -> bool:
    return [world.load(worker, 0, page) for page in range(pages)] == [*range(1, pages + 1)]


def test_a_huge_page_is_split_in_every_process_that_maps_it(world: World) -> None:
    huge(world)
    world.fork(0, 1)
    world.munmap(1, 0, 0, 3)
    whole = world.mapped(0, 0, 6)
    assert whole is not None
    assert whole.tail_of == 6
    assert world.split_huge_pages(1, 0, 5) == PAGES
    part = world.mapped(1, 0, 6)
    assert part is not None
    assert (part.pfn, part.order, part.refcount, part.mapcount) == (whole.pfn, 0, 2, 2)
    assert (world.mapped(1, 0, 1), part.share) == (None, 0)
    refused(errno.EINVAL, lambda: world.split_huge_pages(0, 0, 0))
    assert holds(world, 0)
    assert world.load(1, 0, 7) == 8
    world.kill(0)
    world.kill(1)
    assert world.violations() == ()


def test_a_page_that_is_pinned_keeps_the_folio_around_it_whole(world: World) -> None:
    huge(world)
    pin = world.pin(0, 0, 3)
    refused(errno.EAGAIN, lambda: world.split_huge_pages(0, 0, 0))
    world.unpin(0, pin)
    assert world.split_huge_pages(0, 0, 0) == PAGES
    assert holds(world, 0)


@pytest.mark.parametrize("rounds", [40])
def test_threads_pin_fault_and_unmap_while_a_huge_page_is_split(world: World, rounds: int) -> None:
    world.spawn(0)
    for worker in (1, 2, 3):
        world.clone(0, worker)
    for _ in range(rounds):
        world.anon(0, 0, PAGES, "anonhuge")
        world.store(0, 0, 0, 1)

        def splits() -> None:
            for _ in range(8):
                with contextlib.suppress(PgmapError):
                    world.split_huge_pages(1, 0, 2)

        def pins() -> None:
            for page in range(PAGES):
                world.unpin(2, world.pin(2, 0, page, access="w"))

        def drops() -> None:
            for page in range(1, PAGES):
                world.madvise(3, 0, page)
                assert world.load(3, 0, page) == 0

        threads = [threading.Thread(target=it) for it in (splits, pins, drops)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert world.load(0, 0, 0) == 1
        world.munmap(0, 0)
    for worker in range(4):
        world.kill(worker)
    assert (world.violations(), world.settled()) == ((), True)


MAPPED = """
w0 anonhuge 0 4
w0 w 0 0
w0 fork 1
w0 fork 2
start
w0 split_huge_pages 0 0
w1 munmap 0
w2 get 0 1 | w2 unpin
"""


def test_the_explorer_splits_a_huge_page_under_munmap_and_gup_in_every_way() -> None:
    verdict = pgmap.explore(MAPPED, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Exhausted)


@pytest.mark.parametrize(
    "rule", ["split-unmap=still-mapped", "split-freeze=ignored", "split-unfreeze=head-first"]
)
def test_the_explorer_finds_each_mistake_of_a_split_of_what_is_mapped(rule: str) -> None:
    name, value = rule.split("=")
    verdict = pgmap.explore(MAPPED, rules={name: value}, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Found)


def test_who_faults_on_a_page_that_is_being_moved_waits_and_finds_it() -> None:
    program = """
w0 anonhuge 0 4
w0 store 0 0 7
w0 fork 1
start
w0 split_huge_pages 0 0
seen: w1 load 0 0
expect seen = 7
sometimes w0.1 = 4
"""
    verdict = pgmap.explore(program, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Exhausted)


# --- device-private memory ------------------------------------------------------------------------


def test_a_page_on_the_device_counts_as_any_and_comes_home_at_a_touch(world: World) -> None:
    huge(world)
    assert world.hmm_todev(0, 0, 0, 2, 3) == 3
    page = world.mapped(0, 0, 3)
    assert page is not None
    assert (page.order, page.refcount, page.mapcount) == (0, 1, 1)
    world.fork(0, 1)
    assert world.frame(page.pfn).refcount == 2
    assert world.load(1, 0, 3) == 4
    assert world.frame(page.pfn).refcount == 0
    assert world.hmm_tosys(0, 0, 0, 0, PAGES) == 2
    assert holds(world, 0)
    assert holds(world, 1)
    refused(errno.ENODEV, lambda: world.hmm_todev(0, 1, 0, 0))


def test_a_device_whose_memory_goes_gives_it_back_and_may_get_another_kind(world: World) -> None:
    world.spawn(0)
    world.anon(0, 0, PAGES)
    for page in range(PAGES):
        world.store(0, 0, page, page + 1)
    assert world.hmm_todev(0, 0, 0, 0, PAGES) == PAGES
    assert world.hmm_read(0, 0, 0, 2) == 3
    world.open(0, 0, "/dev/hmm_dmirror0")
    refused(errno.EBUSY, lambda: world.hmm_unload(0))
    world.hmm_release(0, 0)
    refused(errno.ENODEV, lambda: world.hmm_todev(0, 0, 0, 0))
    assert holds(world, 0)
    world.hmm_load(0, "coherent")
    assert world.hmm_todev(0, 0, 0, 0, PAGES) == PAGES
    there = world.mapped(0, 0, 3)
    assert there is not None
    # A CPU uses it where it is.
    assert holds(world, 0)
    assert world.frame(there.pfn).mapcount == 1
    assert world.hmm_tosys(0, 0, 0, 3) == 1
    world.close(0, 0)
    world.hmm_unload(0)
    assert holds(world, 0)
    assert world.violations() == ()


def test_threads_touch_pin_and_drop_what_a_driver_moves_to_and_fro(world: World) -> None:
    world.spawn(0)
    for worker in (1, 2, 3):
        world.clone(0, worker)
    world.anon(0, 0, PAGES)
    for page in range(PAGES):
        world.store(0, 0, page, page + 1)

    def moves() -> None:
        for _ in range(40):
            world.hmm_todev(1, 0, 0, 0, PAGES)
            world.hmm_tosys(1, 0, 0, 0, 2)

    def pins() -> None:
        for turn in range(40):
            world.unpin(2, world.pin(2, 0, turn % PAGES, access="w"))

    def reads() -> None:
        for turn in range(40):
            assert world.load(3, 0, turn % PAGES) == turn % PAGES + 1

    threads = [threading.Thread(target=it) for it in (moves, pins, reads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert holds(world, 0)
    for worker in range(4):
        world.kill(worker)
    assert (world.violations(), world.settled()) == ((), True)


PRIVATE = """
w0 anon 0 1
w0 w 0 0
w0 hmm_todev 0 0 0 1
w0 fork 1
w0 fork 2
start
w0 r 0 0
w1 munmap 0
w2 get 0 0 | w2 unpin
"""


def test_the_explorer_brings_a_page_home_under_munmap_and_gup_in_every_way() -> None:
    verdict = pgmap.explore(PRIVATE, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Exhausted)


def test_the_explorer_finds_a_driver_called_for_a_page_that_is_gone() -> None:
    verdict = pgmap.explore(PRIVATE, rules={"fault-ref": "none"}, preemptions=2, strategy="bounds")
    assert isinstance(verdict, pgmap.Found)
    assert str(verdict.finding).startswith("I29 ")
