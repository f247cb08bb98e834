"""The rules of the game: every call a worker can make, in any order, alone and with others.

Handles are drawn from bundles: mappings and pins as worker and number. What is named may be gone by
then; World and model must refuse it alike.
"""

from __future__ import annotations

from collections import abc
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, multiple, precondition, rule

from pgmap._operations import read
from pgmap.stateful import RaceMachine
from pgmap.stateful.machine import ASLEEP
from pgmap.stateful.model import Model
from pgmap.stateful.things import FILE_PAGES_MAX, PIPE_SLOTS, PMD_PAGES, File, Mapping

Handle = tuple[int, int]
"""Whose, and its number."""

workers = st.sampled_from((0, 1, 2))
pages = st.integers(0, 9) | st.integers(0, 7)
lengths = st.integers(1, 6)
indices = st.integers(0, FILE_PAGES_MAX - 1)
numbers = st.integers(0, 1)
values = st.integers(0, 2**64 - 1).map(lambda word: word >> 1)
"""`World.execute` tells a word as a return value, which has a sign."""
NAMES = 2
names = st.sampled_from(("f", "g"))
files = st.sampled_from(("f", "f", "g", 0, 1))
"""By name, or by descriptor."""
states = st.sampled_from(("written", "written", "unwritten", "sparse"))
aligns = st.sampled_from(("", "", " odd"))
prots = st.sampled_from(("rw", "rw", "r"))
slots = st.integers(0, 1)


class Lockstep(RaceMachine):
    """World and model in step."""

    geometry: ClassVar[abc.Mapping[str, int]] = {**RaceMachine.geometry, "pages": 256}
    model: Model

    mapped = Bundle("mapped")
    pins = Bundle("pins")

    # -- where to begin ---------------------------------------------------------------------------

    @initialize(
        target=mapped,
        size=st.sampled_from((8, FILE_PAGES_MAX, 5)),
        state=states,
        layout=st.sampled_from(("huge", "huge", "contiguous")),
        how=st.tuples(aligns, aligns),
        other=st.integers(1, FILE_PAGES_MAX),
        more=st.tuples(workers, slots, st.integers(2, 8), prots, aligns),
        mode=st.sampled_from(("rw", "ro")),
    )
    def two_processes_map_a_file(  # type: ignore[no-untyped-def]
        self,
        size: int,
        state: str,
        layout: str,
        how: tuple[str, str],
        other: int,
        more: tuple[int, int, int, str, str],
        mode: str,
    ):
        """Also a second time, to read or from the middle, by one of them or by a third one."""
        self.create("f", size, state, layout)
        self.create("g", other)
        for worker, align in enumerate(how):
            self.do(f"w{worker} spawn")
            self.do(f"w{worker} open 0 f {mode}")
            self.do(f"w{worker} pipe 0")
            self.do(f"w{worker} mmap 0 f 0 8 rw shared{align}")
        worker, slot, length, prot, align = more
        self.do(f"w{worker} spawn")
        self.do(f"w{worker} mmap 1 f {slot * PMD_PAGES} {length} {prot} shared{align}")
        return multiple((0, 0), (1, 0), (worker, 1), (worker, 1))

    # -- processes --------------------------------------------------------------------------------

    # What makes no page move is one rule for several calls, so that most steps are about pages.

    @rule(
        worker=workers,
        child=workers,
        how=st.sampled_from(("spawn", "fork", "clone", "exit", "kill")),
    )
    def process(self, worker: int, child: int, how: str) -> None:
        if how == "clone":
            self.call(
                lambda model: model.clone(worker, child), lambda world: world.clone(worker, child)
            )
        else:
            self.do(f"w{worker} {how}" + f" {child}" * (how == "fork"))

    # -- files ------------------------------------------------------------------------------------

    @rule(
        worker=workers,
        fd=numbers,
        name=names,
        how=st.sampled_from(("open", "open", "close", "unlink", "umount")),
        mode=st.sampled_from(("rw", "rw", "ro")),
    )
    def name(self, worker: int, fd: int, name: str, how: str, mode: str) -> None:
        words = {"open": f"{fd} {name} {mode}", "close": f"{fd}", "unlink": name, "umount": ""}
        self.do(f"w{worker} {how} {words[how]}".rstrip())

    @rule(name=names, size=st.integers(0, FILE_PAGES_MAX), state=states)
    @precondition(lambda self: len(self.model.files) < NAMES)
    def create_again(self, name: str, size: int, state: str) -> None:
        if name not in self.model.files:
            self.create(name, size, state)

    @rule(worker=workers, file=files, page=indices, length=lengths)
    def pread(self, worker: int, file: int | str, page: int, length: int) -> None:
        if worker in self.model.workers:
            self.call(
                lambda model: model.contents(worker, file, page, length),
                lambda world: world.pread(worker, file, page, length),
            )

    @rule(worker=workers, file=files, page=st.integers(0, FILE_PAGES_MAX), length=lengths)
    def pwrite(self, worker: int, file: int | str, page: int, length: int) -> None:
        length = min(length, max(1, FILE_PAGES_MAX - page))
        if not self.nobody_could_tell(self.inode(worker, file), range(page, page + length)):
            self.do(f"w{worker} pwrite {file} {page} {length}")

    @rule(worker=workers, file=files, size=st.integers(0, FILE_PAGES_MAX + 1))
    def ftruncate(self, worker: int, file: int | str, size: int) -> None:
        self.do(f"w{worker} ftruncate {file} {size}")

    @rule(worker=workers, file=files, page=indices, length=lengths, zero=st.booleans())
    def punch(self, worker: int, file: int | str, page: int, length: int, zero: bool) -> None:
        self.do(f"w{worker} {'zerorange' if zero else 'punch'} {file} {page} {length}")

    @rule(worker=workers, size=st.integers(0, 3))
    def ftruncate_is_interrupted(self, worker: int, size: int) -> None:
        self.interrupted(f"w{worker} ftruncate f {size}")

    # -- memory -----------------------------------------------------------------------------------

    @rule(
        target=mapped,
        worker=workers,
        number=numbers,
        file=files,
        slot=slots,
        length=st.integers(1, 9),
        prot=prots,
        odd=aligns,
    )
    def mmap(  # type: ignore[no-untyped-def]
        self, worker: int, number: int, file: int | str, slot: int, length: int, prot: str, odd: str
    ):
        owner = self.model.workers.get(worker)
        maps = owner.process.maps.values() if owner else []
        if all(len(m.pages) == m.whole for m in maps):
            # Else it would land in the hole, and then two numbers would name one address.
            at = slot * PMD_PAGES
            mapped = self.do(f"w{worker} mmap {number} {file} {at} {length} {prot} shared{odd}")
            if mapped == 0:
                return worker, number
        return multiple()

    @rule(mapping=mapped, part=st.none() | st.tuples(pages, st.just(1) | lengths))
    def munmap(self, mapping: Handle, part: tuple[int, int] | None) -> None:
        """Of a PMD all goes, and what is left is faulted in again by PTEs."""
        worker, number = mapping
        self.do(f"w{worker} munmap {number}" + (f" {part[0]} {part[1]}" if part else ""))

    @rule(mapping=mapped, page=pages)
    def load(self, mapping: Handle, page: int) -> None:
        worker, number = mapping
        if not self.is_elsewhere(mapping, page, 1):
            self.do(f"w{worker} load {number} {page}")

    @rule(mapping=mapped, page=pages, value=values)
    def store(self, mapping: Handle, page: int, value: int) -> None:
        worker, number = mapping
        if not self.is_elsewhere(mapping, page, 1) and not self.allocates(mapping, page, 1):
            self.do(f"w{worker} store {number} {page} {value}")

    @rule(mapping=mapped, page=pages, length=lengths)
    def touch(self, mapping: Handle, page: int, length: int) -> None:
        worker, number = mapping
        if not self.is_elsewhere(mapping, page, length):
            self.do(f"w{worker} r {number} {page} {length}")

    @rule(mapping=mapped, page=pages, advice=st.sampled_from(("soft_offline", "dontneed")))
    def madvise(self, mapping: Handle, page: int, advice: str) -> None:
        worker, number = mapping
        mapped = self.mapping(mapping)
        # Nobody can look up where a page of a nameless file went.
        if mapped is None or mapped.file.has_name:
            self.do(f"w{worker} madvise {number} {advice} {page}")

    # -- references -------------------------------------------------------------------------------

    @rule(
        target=pins,
        mapping=mapped,
        page=pages,
        length=lengths,
        how=st.sampled_from(("pin", "pin w", "get")),
    )
    def reference(self, mapping: Handle, page: int, length: int, how: str):  # type: ignore[no-untyped-def]
        worker, number = mapping
        word, *access = how.split()
        if self.is_elsewhere(mapping, page, length) or worker not in self.model.workers:
            return multiple()
        if access and self.allocates(mapping, page, length):
            return multiple()
        taken = self.take(" ".join([f"w{worker} {word} {number} {page} {length}", *access]))
        return multiple() if taken is None else (worker, taken)

    @rule(
        mapping=mapped,
        page=pages,
        length=lengths,
        worker=workers,
        how=st.sampled_from(("pin", "uring_reg", "pvmread", "pvmread")),
    )
    def reference_that_does_not_last(
        self, mapping: Handle, page: int, length: int, worker: int, how: str
    ) -> None:
        """For longer than a call it is refused."""
        owner, number = mapping
        if self.is_elsewhere(mapping, page, length):
            return
        if how == "pvmread":
            self.do(f"w{worker} pvmread w{owner} {number} {page} {length}")
        else:
            self.do(f"w{owner} {how} {number} {page} {length}" + " longterm" * (how == "pin"))

    @rule(pin=consumes(pins), recent=st.integers(0, 3))
    def unpin(self, pin: Handle, recent: int) -> None:
        """By its number, or the most recent one."""
        self.do(f"w{pin[0]} unpin" + f" {pin[1]}" * (recent > 0))

    @rule(pin=pins, value=st.none() | values)
    def dma(self, pin: Handle, value: int | None) -> None:
        worker, number = pin
        if value is None:
            self.do(f"w{worker} dma_read {number}")
        elif not self.is_zero_page(pin):
            self.do(f"w{worker} dma_write {number} {value}")

    @rule(
        worker=workers,
        pipe=numbers,
        other=numbers,
        length=st.integers(1, 8),
        how=st.sampled_from(("pipe", "tee", "drain")),
    )
    def pipe(self, worker: int, pipe: int, other: int, length: int, how: str) -> None:
        if how != "pipe" or len(self.model.pipes()) < 3:
            words = {
                "pipe": f"{pipe}",
                "tee": f"{pipe} {other} {length}",
                "drain": f"{pipe} {length}",
            }
            self.do(f"w{worker} {how} {words[how]}")

    @rule(mapping=mapped, pipe=numbers, page=pages, length=lengths)
    def vmsplice(self, mapping: Handle, pipe: int, page: int, length: int) -> None:
        worker, number = mapping
        if not self.is_elsewhere(mapping, page, length):
            self.do(f"w{worker} vmsplice {pipe} {number} {page} {length}")

    # -- at the same time -------------------------------------------------------------------------

    @rule(pin=consumes(pins), worker=workers, how=st.sampled_from(("ftruncate f 0", "punch f 0 9")))
    def let_go_of_what_is_waited_for(self, pin: Handle, worker: int, how: str) -> None:
        if worker != pin[0] and self.is_held(pin):
            self.race(f"w{pin[0]} unpin {pin[1]}", f"w{worker} {how}")

    @rule(holder=mapped, mapping=mapped, page=st.integers(0, 7))
    def fault_again_what_is_waited_for(self, holder: Handle, mapping: Handle, page: int) -> None:
        """The page comes back into page tables before what a truncate waits for is let go.

        In turn the lowest number comes first, so that is who truncates.
        """
        first, held, mapped = (
            min(self.model.workers, default=0),
            *map(self.mapping, (holder, mapping)),
        )
        if held is None or mapped is None or held.file is not mapped.file:
            return
        at = held.offset + page - mapped.offset
        if first in (holder[0], mapping[0]) or at not in mapped.pages or page not in held.pages:
            return
        pin = self.take(f"w{holder[0]} pin {holder[1]} {page}")
        if pin is not None:
            faults, unpins = f"w{mapping[0]} w {mapping[1]} {at}", f"w{holder[0]} unpin {pin}"
            self.race(f"w{first} ftruncate f 0", faults, unpins)
            self.do(unpins)

    @rule(pin=consumes(pins), mapping=mapped)
    def let_go_of_an_orphan(self, pin: Handle, mapping: Handle) -> None:
        """The last unmap of a file without a name sleeps for what others hold."""
        if mapping[0] != pin[0] and self.is_held(pin) and self.mapping(mapping):
            self.do(f"w{mapping[0]} unlink f")
            for worker, fd in self.descriptors(mapping):
                self.do(f"w{worker} close {fd}")
            for worker, number in self.others(mapping):
                self.do(f"w{worker} munmap {number}")
            self.race(f"w{mapping[0]} munmap {mapping[1]}", f"w{pin[0]} unpin {pin[1]}")

    @rule(one=mapped, other=mapped, page=st.integers(0, 7), size=st.integers(0, 8))
    def fault_beside_truncate(self, one: Handle, other: Handle, page: int, size: int) -> None:
        if self.is_elsewhere(one, page, 1) or self.allocates(one, page, 1):
            return
        if one[0] != other[0] and self.mapping(one):
            self.race(f"w{one[0]} w {one[1]} {page}", f"w{other[0]} ftruncate f {size}")

    def do(self, step: str) -> object:
        """Only of workers that run, or begin to."""
        runs = read(step)[0] in self.model.workers or step.endswith("spawn")
        return super().do(step) if runs else ASLEEP

    def race(self, *steps: str) -> None:
        """Likewise."""
        if all(read(step)[0] in self.model.workers for step in steps):
            self.concurrently(*steps)

    # -- what cannot be told ----------------------------------------------------------------------

    def mapping(self, handle: Handle) -> Mapping | None:
        owner = self.model.workers.get(handle[0])
        return None if owner is None else owner.process.maps.get(handle[1])

    def others(self, but: Handle) -> list[Handle]:
        """All other mappings of its file."""
        this = self.mapping(but)
        return [
            (worker, number)
            for worker, owner in self.model.workers.items()
            for number, mapping in owner.process.maps.items()
            if this is not None and mapping is not this and mapping.file is this.file
        ]

    def descriptors(self, of: Handle) -> list[Handle]:
        """All descriptors of its file."""
        this = self.mapping(of)
        return [
            (worker, number)
            for worker, owner in self.model.workers.items()
            for number, descriptor in owner.process.fds.items()
            if this is not None and descriptor.file is this.file
        ]

    def is_elsewhere(self, handle: Handle, page: int, n: int) -> bool:
        """Whether a page beyond the end of a mapping may belong to another one."""
        mapping = self.mapping(handle)
        if mapping is None:
            return False
        maps = self.model.workers[handle[0]].process.maps
        return len(maps) > 1 and page + n > mapping.whole

    def allocates(self, handle: Handle, page: int, n: int) -> bool:
        mapping = self.mapping(handle)
        if mapping is None:
            return False
        return self.nobody_could_tell(
            mapping.file, range(mapping.offset + page, mapping.offset + page + n)
        )

    def nobody_could_tell(self, inode: File | None, wanted: abc.Iterable[int]) -> bool:
        """Whether a nameless file would be given a block: nobody can look up which."""
        if inode is None or inode.has_name:
            return False
        return any(index not in inode.blocks for index in wanted)

    def inode(self, worker: int, file: int | str) -> File | None:
        if isinstance(file, str):
            return self.model.files.get(file)
        owner = self.model.workers.get(worker)
        opened = owner.process.fds.get(file) if owner else None
        return opened.file if opened else None

    def is_held(self, pin: Handle) -> bool:
        owner = self.model.workers.get(pin[0])
        return owner is not None and pin[1] in owner.pins

    def is_zero_page(self, pin: Handle) -> bool:
        """A device may not write to it."""
        owner = self.model.workers.get(pin[0])
        return owner is not None and any(r.index is None for r in owner.pins.get(pin[1], []))

    # -- the end ----------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """Everybody lets go and leaves, and the books must balance."""
        for worker, owner in sorted(self.model.workers.items()):
            for pin in sorted(owner.pins):
                self.do(f"w{worker} unpin {pin}")
            for pipe in sorted(owner.process.pipes):
                self.do(f"w{worker} drain {pipe} {PIPE_SLOTS}")
        for worker in sorted(self.model.workers):
            assert self.do(f"w{worker} exit") != ASLEEP
        assert self.world.quiescence() == ()
