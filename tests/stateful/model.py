"""What the kernel would do, told by who owns what.

Plain Python, one caller at a time. No count is kept anywhere: a refcount is the number of owners, a
mapcount the number of entries that map the page, an order what the file's entry says. Facts are
those of fsdax since v6.15 with its known races mended (kernel facts 2 to 5 and 14):

* a page is mapped by PTEs or, where file, address and device agree, by a PMD, which takes the whole
  folio; a folio is made at the first fault and taken apart when its entry goes;
* every mapping is one reference; a get is one per page; a pin is `PIN_BIAS` on a small folio, and
  one reference and one pin on a large one;
* holes and unwritten blocks read as the shared zero page, which belongs to nobody;
* whatever takes blocks away first unmaps the whole file, sleeps while a page has an owner that is
  not a mapping, and then deletes every entry of the file.

A call that may sleep is a generator: it yields while it sleeps.
"""

from __future__ import annotations

from collections.abc import Iterator

from stateful.things import (
    FILE_PAGES_MAX,
    PIN_BIAS,
    PIPE_SLOTS,
    PMD_PAGES,
    Block,
    Counts,
    Descriptor,
    File,
    Mapping,
    Pipe,
    Process,
    Pte,
    Ref,
    Refused,
    Sleeping,
    Worker,
)


class Model:
    """Files by name, workers by number, and every system call."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.workers: dict[int, Worker] = {}

    # who owns what

    def processes(self) -> list[Process]:
        return list({id(w.process): w.process for w in self.workers.values()}.values())

    def mappings(self, file: File) -> Iterator[Mapping]:
        return (m for p in self.processes() for m in p.maps.values() if m.file is file)

    def pipes(self) -> list[Pipe]:
        return list({id(p): p for proc in self.processes() for p in proc.pipes.values()}.values())

    def refs(self) -> Iterator[Ref]:
        """Everything that is not a mapping."""
        for worker in self.workers.values():
            for pin in worker.pins.values():
                yield from pin
        for pipe in self.pipes():
            yield from pipe.buffers

    def refs_on(self, file: File, index: int) -> list[Ref]:
        """References on the folio around a page."""
        first, length = file.folio(index)
        return [
            ref
            for ref in self.refs()
            if ref.file is file and ref.index is not None and first <= ref.index < first + length
        ]

    def in_use(self, file: File) -> bool:
        return any(d.file is file for p in self.processes() for d in p.fds.values()) or any(
            m.pages for m in self.mappings(file)
        )

    def busy(self, file: File) -> int | None:
        """The first page of the file with an owner that is not a mapping."""
        return next((i for i in sorted(file.entries) if self.refs_on(file, i)), None)

    def counts(self, file: File, index: int) -> Counts:
        """What the page of a block must look like."""
        block = file.blocks[index]
        first, length = file.folio(index)
        mapped = {
            i: sum(self.maps_block(m, i - m.offset) for m in self.mappings(file))
            for i in range(first, first + length)
        }
        if first != index:
            return Counts(
                0, mapped[index], None, index - first, None, None, None, False, 0, block.data
            )
        large = length > 1
        pmds = sum(first - m.offset in m.pmds for m in self.mappings(file)) if large else 0
        refs = self.refs_on(file, index)
        weight = PIN_BIAS if not large else 1
        owners = sum(mapped.values()) + pmds
        owners += sum(ref.pages * (weight if ref.pinned else 1) for ref in refs)
        return Counts(
            refcount=owners,
            mapcount=mapped[index],
            order=PMD_PAGES.bit_length() - 1 if large else 0,
            tail_of=None,
            large_mapcount=sum(mapped.values()) + pmds if large else None,
            entire_mapcount=pmds if large else None,
            pincount=sum(ref.pages for ref in refs if ref.pinned) if large else None,
            mapping=file.entries.get(first) in ("page", "pmd"),
            share=0,
            data=block.data,
        )

    @staticmethod
    def maps_block(mapping: Mapping, page: int) -> bool:
        pte = mapping.ptes.get(page)
        return pte is not None and not pte.zero

    def zero_page_refs(self) -> int:
        """Pins of the zero page are not counted."""
        return 1 + sum(ref.index is None and not ref.pinned for ref in self.refs())

    # processes

    def spawn(self, worker: int) -> None:
        if worker in self.workers:
            raise Refused("EEXIST")
        self.workers[worker] = Worker(Process())

    def clone(self, worker: int, child: int) -> None:
        if child in self.workers:
            raise Refused("EEXIST")
        self.workers[child] = Worker(self.running(worker).process)

    def fork(self, worker: int, child: int) -> None:
        if child in self.workers:
            raise Refused("EEXIST")
        parent = self.running(worker).process
        maps = {number: m.copy() for number, m in parent.maps.items()}
        self.workers[child] = Worker(Process(dict(parent.fds), maps, dict(parent.pipes)))

    def exit(self, worker: int) -> Sleeping:
        gone = self.running(worker)
        files = {id(f): f for f in self.used_by(gone.process)}.values()
        del self.workers[worker]
        for file in files:
            yield from self.put(file)
        return None

    def used_by(self, process: Process) -> list[File]:
        return [d.file for d in process.fds.values()] + [m.file for m in process.maps.values()]

    def running(self, worker: int) -> Worker:
        if worker not in self.workers:
            raise Refused("ESRCH")
        return self.workers[worker]

    # files

    def create(self, name: str, pages: int, state: str) -> None:
        if name in self.files:
            raise Refused("EEXIST")
        file = File(pages)
        if state != "sparse":
            file.blocks = {i: Block(written=state == "written") for i in range(pages)}
        self.files[name] = file

    def named(self, name: str) -> File:
        if name not in self.files:
            raise Refused("ENOENT")
        return self.files[name]

    def open(self, worker: int, fd: int, name: str, mode: str) -> Sleeping:
        process = self.running(worker).process
        file = self.named(name)
        old = process.fds.get(fd)
        process.fds[fd] = Descriptor(file, mode == "rw")
        if old is not None:
            yield from self.put(old.file)
        return None

    def close(self, worker: int, fd: int) -> Sleeping:
        process = self.running(worker).process
        if fd not in process.fds:
            raise Refused("EBADF")
        yield from self.put(process.fds.pop(fd).file)
        return None

    def unlink(self, worker: int, name: str) -> Sleeping:
        file = self.named(name)
        del self.files[name]
        file.has_name = False
        yield from self.put(file)
        return None

    def put(self, file: File) -> Sleeping:
        """A name or a user went. The last of both takes the file along, once every page is idle."""
        if not file.has_name and not self.in_use(file):
            yield from self.break_layout(file)
            file.blocks.clear()
        return None

    def target(self, worker: int, file: int | str) -> Descriptor:
        if isinstance(file, str):
            return Descriptor(self.named(file), writable=True)
        process = self.running(worker).process
        if file not in process.fds:
            raise Refused("EBADF")
        return process.fds[file]

    def pread(self, worker: int, file: int | str, page: int, pages: int) -> tuple[int, ...]:
        inode = self.target(worker, file).file
        return tuple(self.read(inode, i) for i in range(page, min(page + pages, inode.size)))

    def read(self, file: File, index: int) -> int:
        block = file.blocks.get(index)
        return block.data if block is not None and block.written else 0

    def pwrite(self, worker: int, file: int | str, page: int, value: int, pages: int) -> int:
        descriptor = self.target(worker, file)
        if not descriptor.writable:
            raise Refused("EBADF")
        inode = descriptor.file
        for index in range(page, page + pages):
            if index >= FILE_PAGES_MAX:
                raise Refused("EINVAL")
            was_zero = not self.is_written(inode, index)
            self.allocate(inode, index).data = value
            if was_zero:
                self.unmap(inode, {index})
            inode.size = max(inode.size, index + 1)
        return pages * 4096

    def is_written(self, file: File, index: int) -> bool:
        return index in file.blocks and file.blocks[index].written

    def allocate(self, file: File, index: int) -> Block:
        """A block to write to."""
        block = file.blocks.setdefault(index, Block())
        block.written = True
        return block

    def ftruncate(self, worker: int, file: int | str, pages: int) -> Sleeping:
        inode = self.target(worker, file).file
        if pages > FILE_PAGES_MAX:
            raise Refused("EINVAL")
        yield from self.break_layout(inode)
        inode.size = pages
        inode.blocks = {i: b for i, b in inode.blocks.items() if i < pages}
        return None

    def punch(self, worker: int, file: int | str, page: int, pages: int) -> Sleeping:
        inode = self.target(worker, file).file
        if page + pages > FILE_PAGES_MAX:
            raise Refused("EINVAL")
        yield from self.break_layout(inode)
        inode.blocks = {i: b for i, b in inode.blocks.items() if not page <= i < page + pages}
        return None

    def zero_range(self, worker: int, file: int | str, page: int, pages: int) -> Sleeping:
        inode = self.target(worker, file).file
        if page + pages > FILE_PAGES_MAX:
            raise Refused("EINVAL")
        yield from self.break_layout(inode)
        for index in range(page, page + pages):
            if index in inode.blocks:
                inode.blocks[index].written = False
                inode.blocks[index].data = 0
        return None

    def break_layout(self, file: File) -> Sleeping:
        """Unmaps the file and sleeps for one busy page after the other; then every entry goes."""
        self.unmap(file, set(range(FILE_PAGES_MAX)))
        while (page := self.busy(file)) is not None:
            while self.refs_on(file, page):
                yield
            self.unmap(file, set(range(FILE_PAGES_MAX)))
        file.entries.clear()
        return None

    def unmap(self, file: File, indices: set[int]) -> None:
        """unmap_mapping_pages: the entries go, the mappings stay."""
        for mapping in self.mappings(file):
            self.zap(mapping, {i - mapping.offset for i in indices})

    def zap(self, mapping: Mapping, pages: set[int]) -> None:
        for page in pages:
            mapping.ptes.pop(page, None)
            mapping.pmds.pop(mapping.slot(page), None)

    # memory

    def mmap(
        self,
        worker: int,
        number: int,
        file: int | str,
        offset: int,
        pages: int,
        prot: str,
        align: str,
    ) -> None:
        process = self.running(worker).process
        descriptor = self.target(worker, file)
        writable = prot == "rw"
        if writable and not descriptor.writable:
            raise Refused("EACCES")
        if number in process.maps:
            raise Refused("EBUSY")
        process.maps[number] = Mapping(
            descriptor.file, offset, set(range(pages)), writable, align == "natural", pages
        )

    def mapping(self, worker: int, number: int, errno: str = "EINVAL") -> Mapping:
        maps = self.running(worker).process.maps
        if number not in maps:
            raise Refused(errno)
        return maps[number]

    def munmap(self, worker: int, number: int, page: int | None, pages: int | None) -> Sleeping:
        mapping = self.mapping(worker, number)
        process = self.running(worker).process
        if page is None or pages is None:
            page, pages = 0, mapping.whole
            del process.maps[number]
        elif page + pages > mapping.whole:
            raise Refused("EINVAL")
        had_pages = bool(mapping.pages)
        gone = set(range(page, page + pages))
        self.zap(mapping, gone & mapping.pages)
        mapping.pages -= gone
        left = {mapping.slot(p) for p in mapping.pages}
        mapping.tables &= left
        if had_pages and not mapping.pages:
            yield from self.put(mapping.file)
        return None

    def fault(self, mapping: Mapping, page: int, write: bool) -> None:
        """Makes a page present, or dies."""
        if page not in mapping.pages or (write and not mapping.writable):
            raise Refused("SIGSEGV")
        file, index, slot = mapping.file, mapping.offset + page, mapping.slot(page)
        if slot not in mapping.tables and self.fault_pmd(mapping, slot, write):
            return
        mapping.tables.add(slot)
        if index >= file.size:
            raise Refused("SIGBUS")
        if write:
            self.allocate(file, index)
        if not self.is_written(file, index):
            file.entries.setdefault(index, "zero")
            mapping.ptes[page] = Pte(zero=True, writable=False)
            return
        if file.folio(index)[1] == 1 and file.entries.get(index) != "page":
            self.unmap(file, {index})
            file.entries[index] = "page"
        entry = mapping.ptes.setdefault(page, Pte(zero=False, writable=write))
        entry.writable |= write

    def fault_pmd(self, mapping: Mapping, slot: int, write: bool) -> bool:
        """A PMD maps the slot if it lies in mapping, file and one aligned run of blocks."""
        file, head = mapping.file, mapping.offset + slot
        indices = range(head, head + PMD_PAGES)
        if not mapping.natural or not mapping.pages.issuperset(range(slot, slot + PMD_PAGES)):
            return False
        if head + PMD_PAGES > file.size or not all(i in file.blocks for i in indices):
            return False
        if file.entries.get(head) != "pmd" and any(i in file.entries for i in indices):
            return False
        first = file.blocks[head].pfn
        if first is None or first % PMD_PAGES != 0:
            return False
        if any(file.blocks[i].pfn != first + i - head for i in indices):
            return False
        if not write and not all(file.blocks[i].written for i in indices):
            return False
        for i in indices:
            file.blocks[i].written = True
        file.entries[head] = "pmd"
        mapping.pmds[slot] = mapping.pmds.get(slot, False) or write
        return True

    def present(self, mapping: Mapping, page: int, write: bool) -> bool:
        slot = mapping.slot(page)
        if slot in mapping.pmds:
            return mapping.pmds[slot] or not write
        return page in mapping.ptes and (mapping.ptes[page].writable or not write)

    def access(self, mapping: Mapping, page: int, write: bool) -> int | None:
        """The page of the file behind a page of a mapping, faulted in; None for the zero page."""
        if not self.present(mapping, page, write):
            self.fault(mapping, page, write)
        pte = mapping.ptes.get(page)
        return None if pte is not None and pte.zero else mapping.offset + page

    def load(self, worker: int, number: int, page: int) -> int:
        mapping = self.mapping(worker, number)
        index = self.access(mapping, page, write=False)
        return 0 if index is None else mapping.file.blocks[index].data

    def store(self, worker: int, number: int, page: int, value: int) -> None:
        mapping = self.mapping(worker, number)
        index = self.access(mapping, page, write=True)
        assert index is not None, "a write never sees the zero page"
        mapping.file.blocks[index].data = value

    # references

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
        self, worker: int, number: int, page: int, pages: int, access: str, kind: str
    ) -> tuple[int, int]:
        """Returns the number to give them back by, which a failure uses up too, and how many."""
        owner = self.running(worker)
        this, owner.next_pin = owner.next_pin, owner.next_pin + 1
        taken = self.grab(worker, number, page, pages, access == "w", kind == "pin")
        owner.pins[this] = taken
        return this, sum(ref.pages for ref in taken)

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

    def dma_write(self, worker: int, value: int, pin: int | None) -> None:
        for ref in self.workers[worker].pins[self.held(worker, pin)]:
            if ref.index is not None:
                ref.file.blocks[ref.index].data = value

    def pipe(self, worker: int, number: int) -> None:
        process = self.running(worker).process
        if number in process.pipes:
            raise Refused("EBUSY")
        process.pipes[number] = Pipe()

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
