"""What else holds a page of the model: pins, gets, pipes."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from pgmap.stateful._memory import Memory
from pgmap.stateful.things import PIPE_SLOTS, PMD_PAGES, Pipe, Ref, Refused


class References(Memory):
    """System calls that take references, and give them back."""

    def grab(
        self, worker: int, number: int, page: int, pages: int, write: bool, pinned: bool
    ) -> list[Ref]:
        """GUP: as many of the pages as there are, entry by entry; a PMD gives its pages at once."""
        mapping = self.mapping(worker, number, errno="EFAULT")
        taken: list[Ref] = []
        at, end = page, page + pages
        while at < end:
            try:
                index = self.access(mapping, at, write)
            except Refused as refused:
                if taken:
                    break
                raise Refused("EFAULT") from refused
            in_slot = mapping.slot(at) + PMD_PAGES - at
            huge = mapping.slot(at) in mapping.pmds
            count = min(end - at, in_slot) if huge else 1
            taken.append(Ref(mapping.file, index, count, pinned))
            at += count
        return taken

    def pin(
        self,
        worker: int,
        number: int,
        page: int,
        pages: int | None,
        longterm: str | None,
        access: str | None,
    ) -> int:
        """A long-term pin is refused: the file could not truncate for as long as it lasts."""
        if longterm == "longterm":
            self.running(worker).next_pin += 1
            self.refuse_for_long(worker, number, page, access == "w")
        return self.take(worker, number, page, pages or 1, access == "w", pinned=True)

    def refuse_for_long(self, worker: int, number: int, page: int, write: bool) -> NoReturn:
        """What could not be accessed is refused for that."""
        mapping = self.mapping(worker, number, errno="EFAULT")
        there = page in mapping.pages and (mapping.writable or not write)
        raise Refused("EOPNOTSUPP" if there else "EFAULT")

    def uring_reg(self, worker: int, number: int, page: int, pages: int) -> NoReturn:
        """A registered buffer is a long-term pin to write through."""
        self.refuse_for_long(worker, number, page, write=True)

    def uring_unreg(self, worker: int) -> NoReturn:
        """So nothing is ever registered."""
        self.running(worker)
        raise Refused("ENXIO")

    def pvmread(self, worker: int, target: int, number: int, page: int, pages: int) -> int:
        """Pins of another worker's memory, which faults it in, and are gone on return."""
        self.running(worker)
        taken = self.grab(target, number, page, pages, write=False, pinned=True)
        return sum(ref.pages for ref in taken) * 4096

    def get(self, worker: int, number: int, page: int, pages: int | None) -> int:
        return self.take(worker, number, page, pages or 1, write=False, pinned=False)

    def take(
        self, worker: int, number: int, page: int, pages: int, write: bool, pinned: bool
    ) -> int:
        """Keeps what was grabbed under the next number, which a failure uses up, too."""
        owner = self.running(worker)
        this, owner.next_pin = owner.next_pin, owner.next_pin + 1
        owner.pins[this] = taken = self.grab(worker, number, page, pages, write, pinned)
        return sum(ref.pages for ref in taken)

    def held(self, worker: int, pin: int | None) -> int:
        pins = self.running(worker).pins
        number = max(pins, default=-1) if pin is None else pin
        if number not in pins:
            raise Refused("EINVAL")
        return number

    def unpin(self, worker: int, pin: int | None) -> int:
        number = self.held(worker, pin)
        return sum(ref.pages for ref in self.workers[worker].pins.pop(number))

    def dma_read(self, worker: int, pin: int | None) -> int:
        first = self.workers[worker].pins[self.held(worker, pin)][0]
        return 0 if first.index is None else first.file.blocks[first.index].data

    def dma_write(self, worker: int, pin: int | None, value: int) -> int:
        for ref in self.workers[worker].pins[self.held(worker, pin)]:
            if ref.index is not None:
                ref.file.blocks[ref.index].data = value
        return 0

    def pipe(self, worker: int, number: int) -> int:
        process = self.running(worker).process
        if number in process.pipes:
            raise Refused("EBUSY")
        process.pipes[number] = Pipe()
        return 0

    def vmsplice(self, worker: int, pipe: int, number: int, page: int, pages: int) -> int:
        pipes = self.running(worker).process.pipes
        if pipe not in pipes:
            raise Refused("EBADF")
        buffers = pipes[pipe].buffers
        taken = 0
        for at in range(page, page + pages):
            try:
                ref = self.grab(worker, number, at, 1, write=False, pinned=False)
                if len(buffers) == PIPE_SLOTS:
                    raise Refused("EAGAIN")
            except Refused:
                if taken == 0:
                    raise
                break
            buffers.extend(ref)
            taken += 1
        return taken * 4096

    def tee(self, worker: int, source: int, into: int, pages: int) -> int:
        """The second pipe gets references of its own on what is in the first one."""
        pipes = self.running(worker).process.pipes
        if source not in pipes or into not in pipes:
            raise Refused("EBADF")
        if pipes[source] is pipes[into]:
            raise Refused("EINVAL")
        room = PIPE_SLOTS - len(pipes[into].buffers)
        copied = pipes[source].buffers[: min(pages, room)]
        pipes[into].buffers += [replace(ref) for ref in copied]
        return len(copied) * 4096

    def drain(self, worker: int, pipe: int, pages: int) -> int:
        pipes = self.running(worker).process.pipes
        if pipe not in pipes:
            return 0
        buffers = pipes[pipe].buffers
        drained = min(pages, len(buffers))
        del buffers[:drained]
        return drained * 4096
