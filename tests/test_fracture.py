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
