"""Workers who are likely to be in each other's way, drawn by the weights that hunts draw by.

The words are those of hunts, and the core's table says how likely each is: the first worker begins
by using what it has, the others by taking it away, and what was cut off a file is likely to come
back and to be touched (`rust/program/src/op/contention.rs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from pgmap import _core
from pgmap._core_facts import HuntedFact
from pgmap._operations import HANDLES, Argument, by_word, read
from pgmap._wishes import Choice, Wish

USER, TAKER = 0, 1
"""What a worker begins with: using what it has, or taking it away."""
WHOLE = -1
"""A size: all of a file, however large it is."""
MANY = 1 << 16
"""As many pages as there are."""
PAGES = ((0, None), (0, None), (0, None), (1, None), (0, 2))
"""Which page, and how many from there on, where a word need not say so."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of hunts: what a worker says for it, and its weights."""

    name: str
    operation: str
    given: tuple[str | None, ...]
    first: tuple[int, int]
    """Its weight as the first of a worker who uses what it has, and of one who takes it away."""
    later: int
    behind: tuple[str, int] | None
    """Its weight right behind a word."""

    def weight(self, part: int, last: str | None) -> int:
        """How likely it is to be the next of a worker, whose last word is told."""
        if self.behind is not None and last == self.behind[0]:
            return self.behind[1]
        return self.later if last is not None else self.first[part]


@cache
def words(operations: tuple[str, ...] | None) -> tuple[Word, ...]:
    """Words of hunts that are one of these operations; `None`: of any."""
    rows = [hunted for row in _core.facts()["operations"] for hunted in row["hunted"]]
    every = (_word(row) for row in rows)
    return tuple(it for it in every if operations is None or it.operation in operations)


def _word(row: HuntedFact) -> Word:
    _, operation, given = read(f"w0 {row['text']}")
    weights = row["weights"]
    behind = None if weights["behind"] is None else (weights["behind"][0], weights["behind"][1])
    first = (weights["user"], weights["taker"])
    return Word(row["word"], operation, tuple(given), first, weights["later"], behind)


@st.composite
def steps(draw: st.DrawFn, part: int, most: int, operations: tuple[str, ...] | None) -> list[Wish]:
    """What a worker does, one thing after the other, at most so many; one at least."""
    last: str | None = None
    wishes = list[Wish]()
    for _ in range(draw(_length(most))):
        word, wish = draw(_next(part, last, operations))
        wishes.append(wish)
        last = word.name
    return wishes


@cache
def _length(most: int) -> st.SearchStrategy[int]:
    """As often long as short: what takes several steps takes them in a row."""
    return st.sampled_from([*range(1, most + 1), *[most] * (most - 1)])


@cache
def _next(
    part: int, last: str | None, operations: tuple[str, ...] | None
) -> st.SearchStrategy[tuple[Word, Wish]]:
    """The next step as a whole: one draw for each keeps programs cheap, and shrinking quick."""
    known = words(operations)
    likely = [word for word in known for _ in range(word.weight(part, last))]
    return st.sampled_from([(word, wish) for word in likely or known for wish in _wishes(word)])


@cache
def _wishes(word: Word) -> tuple[Wish, ...]:
    """What a word comes to, for a file of any size: the same number of choices for each word."""
    arguments = by_word("worker")[word.operation].arguments
    given = list(zip(arguments, word.given, strict=True))
    return tuple(
        Wish(word.operation, tuple(_choice(argument, text, *pages) for argument, text in given))
        for pages in PAGES
    )


def _choice(argument: Argument, text: str | None, page: int, pages: int | None) -> Choice:
    if text is None:
        return pages if argument.kind == "pages" else None
    match argument.kind:
        case "page" if argument.name == "page":
            return page
        case "pages":
            return MANY
        case "size":
            return WHOLE if int(text) else 0
        case "words":
            return text
        case "file" | "name" | "openable":
            return 0
        case kind if kind in HANDLES:
            return 0
        case _:
            return int(text)
