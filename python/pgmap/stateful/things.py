"""What a model of the machine is made of: files, processes, and what refers to a page."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

PMD_PAGES = 4
FILE_PAGES_MAX = 12
PIN_BIAS = 1024
PIPE_SLOTS = 16
Sleeping = Generator[None, None, object]
"""A call that may sleep; what it returns is what the call returns."""


class Refused(Exception):
    """The call fails: an errno's name, or the signal that kills."""


@dataclass(eq=False)
class Block:
    """A block of the device, while a file has it."""

    data: int = 0
    written: bool = True
    pfn: int | None = None
    """Which one is the allocator's business; learned from the machine."""


@dataclass(eq=False)
class File:
    """An inode."""

    size: int
    blocks: dict[int, Block] = field(default_factory=dict)
    entries: dict[int, str] = field(default_factory=dict)
    """First page -> "zero", "page" or "pmd"."""
    has_name: bool = True

    def folio(self, index: int) -> tuple[int, int]:
        """First page and length of the folio around a page."""
        head = index - index % PMD_PAGES
        return (head, PMD_PAGES) if self.entries.get(head) == "pmd" else (index, 1)


@dataclass(eq=False)
class Descriptor:
    """An open file of a process."""

    file: File
    writable: bool


@dataclass(eq=False)
class Ref:
    """Pages referenced through one entry of a page table. `index` is None for the zero page."""

    file: File
    index: int | None
    pages: int
    pinned: bool


@dataclass(eq=False)
class Pipe:
    """A pipe, and the pages that were put into it."""

    buffers: list[Ref] = field(default_factory=list)


@dataclass(eq=False)
class Pte:
    """A page-table entry: the zero page or the file's block, read-only or not."""

    zero: bool
    writable: bool


@dataclass(eq=False)
class Mapping:
    """A mapping a process numbered, and the part of the page table under it."""

    file: File
    offset: int
    pages: set[int]
    """What munmap has left of it."""
    writable: bool
    natural: bool
    whole: int
    ptes: dict[int, Pte] = field(default_factory=dict)
    pmds: dict[int, bool] = field(default_factory=dict)
    """First page of a slot -> writable."""
    tables: set[int] = field(default_factory=set)
    """Slots with a page table, which stays when its entries go."""

    @staticmethod
    def slot(page: int) -> int:
        """The first page of the slot that a PMD would map."""
        return page - page % PMD_PAGES

    def copy(self) -> Mapping:
        """What fork gives the child: no entries, it faults anew."""
        return Mapping(
            self.file, self.offset, set(self.pages), self.writable, self.natural, self.whole
        )


@dataclass(eq=False)
class Process:
    """What threads share: each kind of handle by its number."""

    fds: dict[int, Descriptor] = field(default_factory=dict)
    maps: dict[int, Mapping] = field(default_factory=dict)
    pipes: dict[int, Pipe] = field(default_factory=dict)


@dataclass(eq=False)
class Worker:
    """A thread, and what it alone can give back."""

    process: Process
    pins: dict[int, list[Ref]] = field(default_factory=dict)
    next_pin: int = 0


@dataclass(frozen=True)
class Counts:
    """What a page's words must say."""

    refcount: int
    mapcount: int
    order: int | None
    tail_of: int | None
    large_mapcount: int | None
    entire_mapcount: int | None
    pincount: int | None
    mapping: bool
    share: int
    data: int
