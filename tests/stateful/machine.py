"""The rules of the game: every call a worker can make, in any order.

While one call sleeps, others change what it sleeps for; the model says which of them ends it.
"""

from __future__ import annotations

import sys
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from stateful.calls import advance
from stateful.step import InStep
from stateful.things import FILE_PAGES_MAX, PIPE_SLOTS, PMD_PAGES, File, Mapping

WORKERS = (0, 1, 2)
NAMES = ("f", "g")
pages = st.integers(0, 9)
lengths = st.integers(1, 6)
indices = st.integers(0, FILE_PAGES_MAX - 1)
numbers = st.integers(0, 1)
values = st.integers(0, 2**64 - 1)


class Lockstep(InStep):
    """World and model in step."""

    # -- where to begin ---------------------------------------------------------------------------

    @initialize(
        size=st.sampled_from((8, FILE_PAGES_MAX, 5)),
        state=st.sampled_from(("written", "written", "unwritten", "sparse")),
        layout=st.sampled_from(("huge", "huge", "contiguous")),
        aligns=st.tuples(*[st.sampled_from(("natural", "natural", "odd"))] * 2),
    )
    def two_processes_map_a_file(
        self, size: int, state: str, layout: str, aligns: tuple[str, str]
    ) -> None:
        self.create("f", size, state, layout)
        for worker, align in enumerate(aligns):
            self.spawn(worker)
            self.map(worker, 0, "f", 0, 8, "rw", align)

    # -- processes --------------------------------------------------------------------------------

    @precondition(lambda self: self.pending is None and len(self.model.workers) < len(WORKERS))
    @rule(worker=st.sampled_from(WORKERS))
    def spawn(self, worker: int) -> None:
        self.agree(lambda: self.model.spawn(worker), lambda: self.world.spawn(worker))

    @precondition(lambda self: self.nobody_sleeps() and len(self.model.workers) < len(WORKERS))
    @rule(data=st.data(), child=st.sampled_from(WORKERS), thread=st.booleans())
    def fork_or_clone(self, data: st.DataObject, child: int, thread: bool) -> None:
        worker = self.draw_worker(data)
        model, world = self.model, self.world
        if thread:
            self.agree(lambda: model.clone(worker, child), lambda: world.clone(worker, child))
        else:
            self.agree(lambda: model.fork(worker, child), lambda: world.fork(worker, child))

    @precondition(InStep.nobody_sleeps)
    @rule(data=st.data())
    def exit(self, data: st.DataObject) -> None:
        worker = self.draw_worker(data)
        self.leave(worker)

    def leave(self, worker: int) -> None:
        own = [ref for pin in self.model.workers[worker].pins.values() for ref in pin]
        files = self.model.used_by(self.model.workers[worker].process)
        if any(r.file in files and r not in own for r in self.model.refs()):
            return  # it might sleep for what it holds itself, and nobody could help it
        file = File(0)
        self.may_sleep(
            worker,
            lambda: self.model.exit(worker),
            lambda: self.world.exit(worker),
            file,
            interruptible=False,
        )

    # -- files ------------------------------------------------------------------------------------

    @precondition(lambda self: self.pending is None and len(self.model.files) < len(NAMES))
    @rule(
        name=st.sampled_from(NAMES),
        size=st.integers(0, FILE_PAGES_MAX),
        state=st.sampled_from(("written", "written", "unwritten", "sparse")),
        layout=st.sampled_from(("huge", "contiguous")),
    )
    def create(self, name: str, size: int, state: str, layout: str) -> None:
        self.agree(
            lambda: self.model.create(name, size, state),
            lambda: self.world.create(name, size, state, layout),  # type: ignore[arg-type]
        )

    @precondition(InStep.nobody_sleeps)
    @rule(
        data=st.data(),
        fd=numbers,
        name=st.sampled_from(NAMES),
        mode=st.sampled_from(("rw", "rw", "ro")),
    )
    def open(self, data: st.DataObject, fd: int, name: str, mode: str) -> None:
        worker = self.draw_worker(data)
        old = self.model.workers[worker].process.fds.get(fd)
        file = old.file if old else File(0)
        if not self.others_hold_it(worker, file):
            return
        self.may_sleep(
            worker,
            lambda: self.model.open(worker, fd, name, mode),
            lambda: self.world.open(worker, fd, name, mode),  # type: ignore[arg-type]
            file,
            interruptible=False,
        )

    @precondition(InStep.nobody_sleeps)
    @rule(data=st.data(), fd=numbers)
    def close(self, data: st.DataObject, fd: int) -> None:
        worker = self.draw_worker(data)
        open_file = self.model.workers[worker].process.fds.get(fd)
        file = open_file.file if open_file else File(0)
        if not self.others_hold_it(worker, file):
            return
        self.may_sleep(
            worker,
            lambda: self.model.close(worker, fd),
            lambda: self.world.close(worker, fd),
            file,
            interruptible=False,
        )

    @precondition(InStep.nobody_sleeps)
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def unlink(self, data: st.DataObject, name: str) -> None:
        worker = self.draw_worker(data)
        file = self.model.files.get(name, File(0))
        if not self.others_hold_it(worker, file):
            return
        self.may_sleep(
            worker,
            lambda: self.model.unlink(worker, name),
            lambda: self.world.unlink(worker, name),
            file,
            interruptible=False,
        )

    @precondition(InStep.has_a_file)
    @rule(data=st.data(), page=indices, length=lengths)
    def pread(self, data: st.DataObject, page: int, length: int) -> None:
        worker = self.draw_worker(data)
        file, _ = self.named_or_open(data, worker)
        self.agree(
            lambda: self.model.pread(worker, file, page, length),
            lambda: self.world.pread(worker, file, page, length),
        )

    @precondition(InStep.has_a_file)
    @rule(data=st.data(), page=st.integers(0, FILE_PAGES_MAX), value=values, length=lengths)
    def pwrite(self, data: st.DataObject, page: int, value: int, length: int) -> None:
        worker = self.draw_worker(data)
        file, inode = self.named_or_open(data, worker)
        length = min(length, max(1, FILE_PAGES_MAX - page))
        if not inode.has_name and any(i not in inode.blocks for i in range(page, page + length)):
            return  # nobody could tell which block a nameless file was given
        self.agree(
            lambda: self.model.pwrite(worker, file, page, value, length),
            lambda: self.world.pwrite(worker, file, page, value, length),
        )

    @precondition(InStep.has_a_file)
    @rule(data=st.data(), size=st.integers(0, FILE_PAGES_MAX + 1))
    def ftruncate(self, data: st.DataObject, size: int) -> None:
        worker = self.draw_worker(data)
        file, inode = self.named_or_open(data, worker)
        self.may_sleep(
            worker,
            lambda: self.model.ftruncate(worker, file, size),
            lambda: self.world.ftruncate(worker, file, size),
            inode,
            interruptible=True,
        )

    @precondition(InStep.has_a_file)
    @rule(data=st.data(), page=indices, length=lengths, zero=st.booleans())
    def punch_or_zero(self, data: st.DataObject, page: int, length: int, zero: bool) -> None:
        worker = self.draw_worker(data)
        file, inode = self.named_or_open(data, worker)
        model, world = self.model, self.world
        predicted = model.zero_range if zero else model.punch
        real = world.zero_range if zero else world.punch
        self.may_sleep(
            worker,
            lambda: predicted(worker, file, page, length),
            lambda: real(worker, file, page, length),
            inode,
            interruptible=True,
        )

    # -- memory -----------------------------------------------------------------------------------

    @precondition(InStep.has_a_file)
    @rule(
        data=st.data(),
        number=numbers,
        slot=st.integers(0, 1),
        length=st.integers(1, 9),
        prot=st.sampled_from(("rw", "rw", "r")),
        align=st.sampled_from(("natural", "natural", "odd")),
    )
    def mmap(
        self, data: st.DataObject, number: int, slot: int, length: int, prot: str, align: str
    ) -> None:
        worker = self.draw_worker(data)
        process = self.model.workers[worker].process
        if any(len(m.pages) != m.whole for m in process.maps.values()):
            return  # it would land in the hole, and then two numbers would name one address
        choices: list[int | str] = [*sorted(self.model.files), *sorted(process.fds)]
        file = data.draw(st.sampled_from(choices), label="file")
        self.map(worker, number, file, slot * PMD_PAGES, length, prot, align)

    def map(
        self,
        worker: int,
        number: int,
        file: int | str,
        offset: int,
        length: int,
        prot: str,
        align: str,
    ) -> None:
        self.agree(
            lambda: self.model.mmap(worker, number, file, offset, length, prot, align),
            lambda: self.world.mmap(
                worker,
                number,
                file,
                offset,
                length,
                prot,  # type: ignore[arg-type]
                align=align,  # type: ignore[arg-type]
            ),
        )

    @precondition(InStep.nobody_sleeps)
    @rule(data=st.data(), part=st.none() | st.tuples(pages, lengths))
    def munmap(self, data: st.DataObject, part: tuple[int, int] | None) -> None:
        worker = self.draw_worker(data)
        number = self.draw_number(data, worker)
        mapping = self.model.workers[worker].process.maps.get(number)
        file = mapping.file if mapping else File(0)
        if self.others_hold_it(worker, file):
            self.unmap(worker, number, part, file)

    def pmd_mapped(self) -> list[tuple[int, int, int]]:
        """Worker, mapping and slot of every PMD that maps something."""
        return [
            (worker, number, slot)
            for worker in self.idle_workers()
            for number, mapping in self.model.workers[worker].process.maps.items()
            for slot in mapping.pmds
        ]

    @precondition(lambda self: self.nobody_sleeps() and bool(self.pmd_mapped()))
    @rule(data=st.data(), page=st.integers(0, PMD_PAGES - 1))
    def munmap_one_page_of_a_pmd(self, data: st.DataObject, page: int) -> None:
        """All of the PMD goes, and the rest is faulted in again by PTEs."""
        worker, number, slot = data.draw(st.sampled_from(self.pmd_mapped()), label="PMD")
        file = self.model.workers[worker].process.maps[number].file
        self.unmap(worker, number, (slot + page, 1), file)

    def unmap(self, worker: int, number: int, part: tuple[int, int] | None, file: File) -> None:
        page, length = part if part else (None, None)
        self.may_sleep(
            worker,
            lambda: self.model.munmap(worker, number, page, length),
            lambda: self.world.munmap(worker, number, page, length),
            file,
            interruptible=False,
        )

    @precondition(InStep.somebody_can_touch)
    @rule(data=st.data(), page=pages)
    def load(self, data: st.DataObject, page: int) -> None:
        worker = self.draw_worker(data)
        number = self.draw_number(data, worker)
        if self.is_elsewhere(worker, number, page, 1):
            return
        self.agree(
            lambda: self.model.load(worker, number, page),
            lambda: self.world.load(worker, number, page),
        )

    @precondition(InStep.somebody_can_touch)
    @rule(data=st.data(), page=pages, value=values)
    def store(self, data: st.DataObject, page: int, value: int) -> None:
        worker = self.draw_worker(data)
        number = self.draw_number(data, worker)
        if self.is_elsewhere(worker, number, page, 1):
            return
        if self.would_allocate_for_nameless(worker, number, page, 1):
            return
        self.agree(
            lambda: self.model.store(worker, number, page, value),
            lambda: self.world.store(worker, number, page, value),
        )

    def draw_number(self, data: st.DataObject, worker: int) -> int:
        """A mapping, most often one that is there."""
        there = sorted(self.model.workers[worker].process.maps)
        return data.draw(st.sampled_from([*there * 4, 0, 1]), label="mapping")

    def is_elsewhere(self, worker: int, number: int, page: int, n: int) -> bool:
        """Whether a page beyond the end of a mapping may belong to another one."""
        maps = self.model.workers[worker].process.maps
        return number in maps and len(maps) > 1 and page + n > maps[number].whole

    def would_allocate_for_nameless(self, worker: int, number: int, page: int, n: int) -> bool:
        mapping = self.model.workers[worker].process.maps.get(number)
        if mapping is None or mapping.file.has_name:
            return False
        return any(mapping.offset + p not in mapping.file.blocks for p in range(page, page + n))

    # -- references -------------------------------------------------------------------------------

    @precondition(InStep.nobody_sleeps)
    @rule(
        data=st.data(),
        page=pages,
        length=lengths,
        access=st.sampled_from("rw"),
        kind=st.sampled_from(("pin", "get")),
    )
    def pin(self, data: st.DataObject, page: int, length: int, access: str, kind: str) -> None:
        worker = self.draw_worker(data)
        number = self.draw_number(data, worker)
        if self.is_elsewhere(worker, number, page, length):
            return
        access = access if kind == "pin" else "r"
        if access == "w" and self.would_allocate_for_nameless(worker, number, page, length):
            return
        self.take(worker, number, page, length, access, kind)

    def take(
        self, worker: int, number: int, page: int, length: int, access: str, kind: str
    ) -> None:
        def real() -> tuple[int, int]:
            if kind == "pin":
                pinned = self.world.pin(worker, number, page, length, access=access)  # type: ignore[arg-type]
            else:
                pinned = self.world.get(worker, number, page, length)
            return pinned.pin, pinned.pages

        self.agree(lambda: self.model.pin(worker, number, page, length, access, kind), real)

    @precondition(InStep.nobody_sleeps)
    @rule(data=st.data(), page=st.integers(0, 7), orphan=st.booleans())
    def hold_a_page_and_unmap_it(self, data: st.DataObject, page: int, orphan: bool) -> None:
        """The reference stays when the mapping goes, and even when the name goes."""
        worker = self.draw_worker(data)
        number = self.draw_number(data, worker)
        mapping = self.model.workers[worker].process.maps.get(number)
        if mapping is None or self.is_elsewhere(worker, number, page, 1):
            return
        names = [name for name, file in self.model.files.items() if file is mapping.file]
        if self.would_allocate_for_nameless(worker, number, page, 1):
            return
        self.take(worker, number, page, 1, "w", "pin")
        if orphan and names and len(list(self.model.mappings(mapping.file))) > 1:
            self.agree(
                lambda: advance(self.model.unlink(worker, names[0]))[1],
                lambda: self.world.unlink(worker, names[0]),
            )
        if self.others_hold_it(worker, mapping.file) or self.is_used_by_others(mapping):
            self.unmap(worker, number, None, mapping.file)
        if orphan and not mapping.file.has_name:
            self.everybody_else_unmaps(worker, mapping.file)

    def everybody_else_unmaps(self, but: int, file: File) -> None:
        """The last of them sleeps, because of what the first one holds."""
        for worker in [w for w in self.idle_workers() if w != but]:
            maps = self.model.workers[worker].process.maps
            for number in [n for n, m in maps.items() if m.file is file]:
                if self.pending is None and self.others_hold_it(worker, file):
                    self.unmap(worker, number, None, file)

    def is_used_by_others(self, mapping: Mapping) -> bool:
        return any(m is not mapping and m.pages for m in self.model.mappings(mapping.file))

    def draw_pin(self, data: st.DataObject, worker: int) -> int | None:
        held = sorted(self.model.workers[worker].pins)
        return data.draw(st.none() | st.sampled_from([*held, 77]), label="pin")

    @precondition(InStep.somebody_holds_a_pin)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        worker = self.draw_worker(data)
        pin = self.draw_pin(data, worker)
        self.agree(lambda: self.model.unpin(worker, pin), lambda: self.world.unpin(worker, pin))

    @precondition(lambda self: self.nobody_sleeps() and self.somebody_holds_a_pin())
    @rule(data=st.data(), value=st.none() | values)
    def dma(self, data: st.DataObject, value: int | None) -> None:
        worker = self.draw_worker(data)
        pin = self.draw_pin(data, worker)
        model, world = self.model, self.world
        if value is None:
            self.agree(lambda: model.dma_read(worker, pin), lambda: world.dma_read(worker, pin))
            return
        refs = model.workers[worker].pins
        if pin in refs and any(ref.index is None for ref in refs[pin]):
            return  # a device may not write to the zero page
        if pin is None and any(r.index is None for held in refs.values() for r in held):
            return
        self.agree(
            lambda: model.dma_write(worker, value, pin), lambda: world.dma_write(worker, value, pin)
        )

    @precondition(lambda self: self.nobody_sleeps() and len(self.model.pipes()) < 3)
    @rule(data=st.data(), pipe=numbers)
    def pipe(self, data: st.DataObject, pipe: int) -> None:
        worker = self.draw_worker(data)
        self.agree(lambda: self.model.pipe(worker, pipe), lambda: self.world.pipe(worker, pipe))

    @precondition(lambda self: self.nobody_sleeps() and bool(self.model.pipes()))
    @rule(data=st.data(), pipe=numbers, page=pages, length=lengths)
    def vmsplice(self, data: st.DataObject, pipe: int, page: int, length: int) -> None:
        worker = self.draw_worker(data)
        number = self.draw_number(data, worker)
        if self.is_elsewhere(worker, number, page, length):
            return
        self.agree(
            lambda: self.model.vmsplice(worker, pipe, number, page, length),
            lambda: self.world.vmsplice(worker, pipe, number, page, length),
        )

    @precondition(
        lambda self: self.somebody_is_idle() and any(p.buffers for p in self.model.pipes())
    )
    @rule(data=st.data(), pipe=numbers, length=st.integers(1, 8))
    def drain(self, data: st.DataObject, pipe: int, length: int) -> None:
        worker = self.draw_worker(data)
        self.agree(
            lambda: self.model.drain(worker, pipe, length),
            lambda: self.world.drain(worker, pipe, length),
        )

    # -- the sleeper ------------------------------------------------------------------------------

    @precondition(lambda self: self.pending is not None and self.pending.interruptible)
    @rule()
    def fault_in_what_is_waited_for_and_let_go(self) -> None:
        """The page is mapped again before its holder lets go: the sleeper must still wake."""
        assert self.pending is not None
        file = self.pending.file
        for worker in self.idle_workers():
            for number, mapping in self.model.workers[worker].process.maps.items():
                busy = self.model.busy(file)
                page = -1 if busy is None or mapping.file is not file else busy - mapping.offset
                if page in mapping.pages:
                    self.agree(
                        partial(self.model.load, worker, number, page),
                        partial(self.world.load, worker, number, page),
                    )
        for worker in self.idle_workers():
            self.let_go(worker)

    @precondition(lambda self: self.pending is not None and self.pending.interruptible)
    @rule()
    def interrupt(self) -> None:
        """A signal ends the sleep; the file stays unmapped, and keeps its entries."""
        pending, self.pending = self.pending, None
        assert pending is not None
        pending.predicted.close()
        assert self.world.interrupt(pending.worker)
        assert not pending.call.sleeps()
        assert pending.call.returned == "refused: EINTR"
        self.settle()

    def teardown(self) -> None:
        """After a run in step, everybody lets go and leaves, and the books must balance."""
        with self.world:
            if sys.exc_info()[0] is not None:
                return
            for worker in self.idle_workers():
                self.let_go(worker)
            if self.pending is not None:
                sleeper = self.pending.worker
                self.interrupt()
                self.let_go(sleeper)
            for worker in self.idle_workers():
                self.leave(worker)
            assert not self.model.workers
            assert self.world.quiescence() == ()

    def let_go(self, worker: int) -> None:
        model, world = self.model, self.world
        while model.workers[worker].pins:
            self.agree(lambda: model.unpin(worker, None), lambda: world.unpin(worker))
        for pipe in sorted(model.workers[worker].process.pipes):
            self.agree(
                partial(model.drain, worker, pipe, PIPE_SLOTS),
                partial(world.drain, worker, pipe, PIPE_SLOTS),
            )
