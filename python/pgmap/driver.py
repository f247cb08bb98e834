r"""A driver of one's own, put together from primitives: `Driver`.

A driver is two short lists, `alloc` and `page_free` (``->page_free`` of ``dev_pagemap_ops``), over
a free list of its own. It is data: nothing of it is Python when it runs, so the same lists run on
real threads in a `World` and are explored step by step::

    from pgmap import Driver, explore
    from pgmap.driver import init_page, lock, pagemap_get, pop, push, set_count, unlock

    mine = Driver(
        "mine",
        pages=2,
        alloc=[lock("free"), pop(), unlock("free"), init_page(), pagemap_get(), set_count(1)],
        page_free=[lock("free"), push(), unlock("free"), set_count(0)],
    )
    print(explore(f"{mine}\nw0 drv_alloc mine\nstart\nw0 drv_put\nw1 drv_alloc mine"))

The primitives are the core's table, which docs/language.md prints; there is a function for each.
Functions of Python are no primitives: a driver would run them in the middle of an execution, on a
stack that is left where it stands and used anew, thousands of times a second.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import SupportsIndex

from pgmap import _core
from pgmap.errors import ProgramError

__all__ = [
    "Driver",
    "Primitive",
    "add",
    "init_page",
    "load",
    "lock",
    "pagemap_get",
    "pagemap_put",
    "pop",
    "push",
    "set_count",
    "store",
    "unlock",
]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One thing that a driver does, made by a function of this module: `lock`, `pop` and so on."""

    word: str
    arguments: tuple[str | int, ...] = ()

    @property
    def text(self) -> str:
        """As it stands in a program: ``lock(free)``."""
        inside = ",".join(map(str, self.arguments))
        return f"{self.word}({inside})" if self.arguments else self.word

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"{self.word}({', '.join(map(repr, self.arguments))})"


def _of(word: str, *arguments: str | SupportsIndex) -> Primitive:
    return Primitive(word, tuple(a if isinstance(a, str) else index(a) for a in arguments))


def lock(name: str) -> Primitive:
    """Take the spin lock `name` of the driver."""
    return _of("lock", name)


def unlock(name: str) -> Primitive:
    """Let go of it."""
    return _of("unlock", name)


def pop() -> Primitive:
    """Take the first page off the free list; ENOMEM where it is empty."""
    return _of("pop")


def push() -> Primitive:
    """Put the page in front of the free list."""
    return _of("push")


def init_page() -> Primitive:
    """Make the page a fresh one (``zone_device_page_init``), but for its count."""
    return _of("init_page")


def set_count(count: SupportsIndex) -> Primitive:
    """Store the page's count (``set_page_count``): in `alloc`, the references of the caller."""
    return _of("set_count", count)


def pagemap_get() -> Primitive:
    """Take the page's reference on the pagemap, which the free path puts behind `page_free`."""
    return _of("pagemap_get")


def pagemap_put() -> Primitive:
    """Put a reference on the pagemap."""
    return _of("pagemap_put")


def load(cell: str) -> Primitive:
    """Read a cell; in `alloc` that is what it returns, instead of the page."""
    return _of("load", cell)


def store(cell: str, value: SupportsIndex) -> Primitive:
    """Store `value` in a cell."""
    return _of("store", cell, value)


def add(cell: str, value: SupportsIndex) -> Primitive:
    """Add `value` to a cell as ``cell += value`` does: read it, then store the sum."""
    return _of("add", cell, value)


@dataclass(frozen=True, slots=True, init=False)
class Driver:
    """A driver: a name, `alloc` and `page_free` as lists of primitives, and so many `pages`.

    All its pages are on its free list at first. A program declares it by its `text`, a line of its
    own in front of the first step; workers then take pages by ``drv_alloc`` and put them by
    ``drv_put``. `World.load_driver` takes it as it is, and so does `Program.build().driver`.

    A list may be wrong: that is what one looks for. `ProgramError` says what no driver can mean,
    such as a lock that its function does not let go of.
    """

    name: str
    alloc: tuple[Primitive, ...]
    page_free: tuple[Primitive, ...]
    pages: int

    def __init__(
        self,
        name: str,
        *,
        alloc: Sequence[Primitive],
        page_free: Sequence[Primitive],
        pages: SupportsIndex = 2,
    ) -> None:
        for function, given in (("alloc", alloc), ("page_free", page_free)):
            for one in given:
                if callable(one):
                    wanted = "is a function: call it, as in pop()" if _makes(one) else _NO_CALLBACKS
                    raise TypeError(f"{getattr(one, '__name__', one)!r} in {function} {wanted}")
                if not isinstance(one, Primitive):
                    raise TypeError(f"{one!r} in {function} is no primitive of pgmap.driver")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "alloc", tuple(alloc))
        object.__setattr__(self, "page_free", tuple(page_free))
        object.__setattr__(self, "pages", index(pages))
        read = _core.Program(self.text)
        if read.drivers != ((name, self.pages),) or len(read):
            raise ProgramError(1, f"{self.text!r} is more than one driver")

    @property
    def text(self) -> str:
        """Its line of a program."""
        lists = (("alloc", self.alloc), ("page_free", self.page_free))
        told = (" ".join([name, *map(str, them)]) for name, them in lists)
        return f"driver {self.name} {self.pages} {' '.join(told)}"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        lists = f"alloc={list(self.alloc)!r}, page_free={list(self.page_free)!r}"
        return f"Driver({self.name!r}, {lists}, pages={self.pages})"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.name, self.alloc, self.page_free, self.pages)


_NO_CALLBACKS = "is a function of Python: a driver runs as data, and is made of primitives alone"


def _makes(given: object) -> bool:
    return inspect.isfunction(given) and given.__module__ == __name__


def _again(
    name: str, alloc: Sequence[Primitive], page_free: Sequence[Primitive], pages: int
) -> Driver:
    return Driver(name, alloc=alloc, page_free=page_free, pages=pages)
