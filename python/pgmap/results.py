"""What a world answers: frozen values that compare, hash, pickle and print as they are written."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Extent",
    "Holder",
    "Outcome",
    "PageState",
    "Pinned",
    "Step",
    "Violation",
    "Waiter",
]


@dataclass(frozen=True, slots=True)
class PageState:
    """The words of one page, as a recorder reads them from a real kernel."""

    pfn: int
    refcount: int
    """`_refcount`; a tail's own is 0."""
    mapcount: int
    """Page-table entries that map this very page."""
    order: int | None
    """Order of the folio headed here; `None` for a tail."""
    tail_of: int | None
    """Pages back to the head; `None` for a head."""
    large_mapcount: int | None
    """Of a large folio, all mappings, a PMD counting once; `None` for a small folio or a tail."""
    entire_mapcount: int | None
    """Of a large folio, mappings by a PMD."""
    pincount: int | None
    """Of a large folio, pins."""
    mapping: bool
    """Whether the page belongs to a file's mapping."""
    share: int
    """What the index word reads as while there is no mapping."""
    data: int
    """The data word."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A block of a file."""

    page: int
    """Page of the file."""
    pfn: int
    """Its frame."""
    written: bool
    """False if it reads as zero, whatever it holds."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """References taken by `pin` or `get`. Stands for its number where a pin is named."""

    pin: int
    """The number to give them back by."""
    pages: int
    """How many pages were taken; fewer than asked if the rest could not be."""

    def __index__(self) -> int:
        return self.pin


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that holds references on a page."""

    who: str
    pages: int


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody asleep in a call."""

    worker: int | None
    """`None` for the machine itself."""
    op: str
    """The call."""
    what: str
    """The kind of thing waited for."""
    pfn: int | None
    """The frame waited for, if it is a page."""
    owner: str | None
    """Who holds a lock that is waited for, if that is known."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant."""

    invariant: str
    """Its number, such as ``I18``."""
    title: str
    pfn: int | None
    parties: tuple[str, ...]
    """Who noticed, and who holds the page or last gave it away; from real threads also who else was
    in the middle of a call."""
    detail: str
    known: str | None
    """Number of the race, if the world's era is known to have it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a program; `World.execute` takes it."""

    text: str
    worker: int | None
    """`None` for what the environment does."""
    wait: bool
    """Whether the next step waits for this one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step of a program."""

    step: str
    returned: int | None
    failed: str | None
    """The errno's name, or the signal the worker died of."""
