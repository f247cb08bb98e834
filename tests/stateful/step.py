"""Keeping a World and a `Model` of it in step.

After every step both must agree: on what the call returned, on whether it sleeps, and on every word
of every page.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from pgmap import World
from stateful.calls import Call, Pending, advance, outcome
from stateful.model import Model
from stateful.things import FILE_PAGES_MAX, PMD_PAGES, File, Sleeping


class InStep(RuleBasedStateMachine):
    """A World and a model of it, and what it means that they agree. The rules are elsewhere."""

    rules_changed: ClassVar[abc.Mapping[str, str]] = {}
    """A World with wrong rules must disagree with the model."""
    model_class: ClassVar[type[Model]] = Model
    """A model with a mistake must disagree with the World."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(
            geometry={
                "pmd_order": PMD_PAGES.bit_length() - 1,
                "gather_batch": 2,
                "pages": 256,
                "dev_pages": 0,
                "file_pages_max": FILE_PAGES_MAX,
            },
            rules=dict(self.rules_changed),
        )
        self.model = self.model_class()
        self.pending: Pending | None = None

    # -- in step ----------------------------------------------------------------------------------

    def agree(self, predicted: Callable[[], object], real: Callable[[], object]) -> None:
        """A call that cannot sleep."""
        expected = outcome(predicted)
        assert outcome(real) == expected
        self.settle()

    def may_sleep(
        self,
        worker: int,
        predicted: Callable[[], Sleeping],
        real: Callable[[], object],
        file: File,
        *,
        interruptible: bool,
    ) -> None:
        """A call that may."""
        calculation = predicted()
        sleeps, expected = advance(calculation)
        call = Call(self.world, worker, real)
        if sleeps:
            self.pending = Pending(call, calculation, file, interruptible=interruptible)
            assert call.sleeps(), f"returned {call.returned!r} although a page of it is held"
        else:
            assert not call.sleeps(), (
                f"sleeps for {self.world.waiters()} although nobody holds a page"
            )
            assert call.returned == expected
        self.settle()

    def settle(self) -> None:
        """Lets the sleeping call notice what happened, and learns which blocks were given out."""
        if self.pending is not None:
            sleeps, expected = advance(self.pending.predicted)
            call = self.pending.call
            if sleeps:
                assert call.sleeps(), (
                    f"woke up with {call.returned!r} although a page of it is held"
                )
            else:
                assert not call.sleeps(), f"still sleeps for {self.world.waiters()}"
                self.pending = None
                assert call.returned == expected
        for name, file in self.model.files.items():
            for index, block in file.blocks.items():
                if block.pfn is None:
                    page = self.world.page(name, index)
                    assert page is not None, f"page {index} of {name} is a hole"
                    block.pfn = page.pfn

    def idle_workers(self) -> list[int]:
        asleep = self.pending.worker if self.pending else None
        return [w for w in self.model.workers if w != asleep]

    def draw_worker(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.idle_workers())), label="worker")

    def nobody_sleeps(self) -> bool:
        return self.pending is None and bool(self.model.workers)

    def somebody_is_idle(self) -> bool:
        return bool(self.idle_workers())

    def somebody_can_touch(self) -> bool:
        """An unmap that sleeps has taken its mapping away, but the number may still be there."""
        return bool(self.idle_workers()) and (self.pending is None or self.pending.interruptible)

    def somebody_holds_a_pin(self) -> bool:
        return any(self.model.workers[worker].pins for worker in self.idle_workers())

    def others_hold_it(self, worker: int, file: File) -> bool:
        """Whether all who hold a page of the file can let it go while the worker sleeps."""
        free = [w for n, w in self.model.workers.items() if n != worker]
        theirs = [ref for w in free for pin in w.pins.values() for ref in pin]
        theirs += [r for w in free for p in w.process.pipes.values() for r in p.buffers]
        return all(ref in theirs for ref in self.model.refs() if ref.file is file)

    def named_or_open(self, data: st.DataObject, worker: int) -> tuple[int | str, File]:
        """A file by name or by a descriptor open for writing."""
        fds = self.model.workers[worker].process.fds
        open_fds = [fd for fd, d in fds.items() if d.writable]
        choices: list[int | str] = [*sorted(self.model.files), *sorted(open_fds)]
        chosen = data.draw(st.sampled_from(choices), label="file")
        return chosen, self.model.target(worker, chosen).file

    def has_a_file(self) -> bool:
        return self.nobody_sleeps() and bool(self.model.files)

    # -- what must always hold --------------------------------------------------------------------

    @invariant()
    def every_word_agrees(self) -> None:
        for name, file in self.model.files.items():
            assert self.world.size(name) == file.size
            written = {e.page: e.written for e in self.world.extents(name)}
            assert written == {i: b.written for i, b in file.blocks.items()}
        reachable = {id(f): f for f in self.model.files.values()}
        for process in self.model.processes():
            reachable |= {id(f): f for f in self.model.used_by(process)}
        reachable |= {id(ref.file): ref.file for ref in self.model.refs()}
        taken: set[int] = set()
        for file in reachable.values():
            for index, block in file.blocks.items():
                if block.pfn is None:
                    continue
                assert block.pfn not in taken, f"frame {block.pfn} has two owners"
                taken.add(block.pfn)
                page = self.world.frame(block.pfn)
                expected = self.model.counts(file, index)
                for word in vars(expected):
                    seen, wanted = getattr(page, word), getattr(expected, word)
                    assert seen == wanted, (
                        f"{word} of page {index}: {seen}, model {wanted} ({page})"
                    )
        assert self.world.frame(0).refcount == self.model.zero_page_refs()

    @invariant()
    def no_invariant_is_broken(self) -> None:
        assert self.world.violations() == ()
