"""What else holds a page of the model: pins, gets, pipes."""

from __future__ import annotations

from pgmap.stateful._memory import Memory
from pgmap.stateful.things import PIPE_SLOTS, PMD_PAGES, Pipe, Ref, Refused


class References(Memory):
    """System calls that take references, and give them back."""

    def grab(
        self, worker: int, number: int, page: int, pages: int, write: bool, pinned: bool
    ) -> list[Ref]:
        """GUP: as many of the pages as there are.

        What is mapped already is taken by the entry, a PMD giving its pages at once; from the first
        page that is not, page by page.
        """
        mapping = self.mapping(worker, number, errno="EFAULT")
        taken: list[Ref] = []
        at, end, fast = page, page + pages, True
        while at < end:
            fast = fast and self.present(mapping, at, write)
            try:
                index = self.access(mapping, at, write)
            except Refused as refused:
                if taken:
                    break
                raise Refused("EFAULT") from refused
            in_slot = mapping.slot(at) + PMD_PAGES - at
            huge = mapping.slot(at) in mapping.pmds
            count = min(end - at, in_slot) if fast and huge else 1
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
            there = page in self.mapping(worker, number, errno="EFAULT").pages
            raise Refused("EOPNOTSUPP" if there else "EFAULT")
        return self.take(worker, number, page, pages or 1, access == "w", pinned=True)

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

    def drain(self, worker: int, pipe: int, pages: int) -> int:
        pipes = self.running(worker).process.pipes
        if pipe not in pipes:
            return 0
        buffers = pipes[pipe].buffers
        drained = min(pages, len(buffers))
        del buffers[:drained]
        return drained * 4096
