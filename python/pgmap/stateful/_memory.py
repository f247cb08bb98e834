"""Mappings of the model, and faults."""

from __future__ import annotations

from pgmap.stateful._files import Files
from pgmap.stateful.things import PMD_PAGES, Block, File, Mapping, Pte, Refused, Sleeping


class Memory(Files):
    """System calls on memory, and touching it."""

    def mmap(
        self,
        worker: int,
        number: int,
        file: int | str,
        offset: int,
        pages: int,
        prot: str,
        sharing: str,
        align: str | None,
    ) -> int:
        process = self.running(worker).process
        descriptor = self.target(worker, file)
        writable = prot == "rw"
        if writable and not descriptor.writable:
            raise Refused("EACCES")
        if number in process.maps:
            raise Refused("EBUSY")
        process.maps[number] = Mapping(
            descriptor.file, offset, set(range(pages)), writable, align != "odd", pages
        )
        return 0

    def mapping(self, worker: int, number: int, errno: str = "EINVAL") -> Mapping:
        maps = self.running(worker).process.maps
        if number not in maps:
            raise Refused(errno)
        return maps[number]

    def munmap(self, worker: int, number: int, part: tuple[int, int] | None) -> Sleeping:
        mapping = self.mapping(worker, number)
        process = self.running(worker).process
        page, pages = part or (0, mapping.whole)
        if part is None:
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
        return 0

    def mremap(self, worker: int, number: int) -> int:
        """What is mapped goes with the mapping: nothing but addresses changes."""
        mapping = self.mapping(worker, number)
        if len(mapping.pages) != mapping.whole:
            raise Refused("EFAULT")
        return 0

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

    def touch(self, worker: int, number: int, page: int, pages: int | None, write: bool) -> int:
        """A write stores the number of the file's page."""
        mapping = self.mapping(worker, number)
        for at in range(page, page + (pages or 1)):
            index = self.access(mapping, at, write)
            if write and index is not None:
                mapping.file.blocks[index].data = index
        return 0

    def madvise(self, worker: int, number: int, advice: str, page: int) -> int:
        """`dontneed` takes the entry of a page, `soft_offline` moves the page to another block."""
        mapping = self.mapping(worker, number)
        if page >= mapping.whole:
            raise Refused("EINVAL")
        if advice in ("dontneed", "4"):
            self.zap(mapping, {page})
        elif page not in mapping.pages:
            raise Refused("EFAULT")
        else:
            self.move(mapping.file, mapping.offset + page)
        return 0

    def move(self, file: File, index: int) -> None:
        """What the page holds goes on elsewhere, unless somebody holds the page."""
        if not self.is_written(file, index):
            raise Refused("ENOENT")
        if file.folio(index)[1] > 1:
            raise Refused("EINVAL")
        if self.refs_on(file, index):
            raise Refused("EBUSY")
        self.unmap(file, {index})
        file.entries.pop(index, None)
        file.blocks[index] = Block(file.blocks[index].data)

    def msync(self, worker: int, number: int) -> int:
        """Nothing that the model knows of is written back."""
        self.mapping(worker, number)
        return 0

    def load(self, worker: int, number: int, page: int) -> int:
        mapping = self.mapping(worker, number)
        index = self.access(mapping, page, write=False)
        return 0 if index is None else mapping.file.blocks[index].data

    def store(self, worker: int, number: int, page: int, value: int) -> int:
        mapping = self.mapping(worker, number)
        index = self.access(mapping, page, write=True)
        assert index is not None, "a write never sees the zero page"
        mapping.file.blocks[index].data = value
        return 0
