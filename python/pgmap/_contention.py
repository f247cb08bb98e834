"""Workers who are likely to be in each other's way, drawn by the weights that hunts draw by.

The words of hunts come first, and the core's table says how likely each is: the first worker begins
by using what it has, the others by taking it away, and what was cut off a file is likely to come
back and to be touched (`rust/program/src/op/contention.rs`). Every other operation of a worker
comes, too: as often as a word that the table says nothing of if it names a page, for on pages
workers meet, and less often if it does not.

Most workers do one or two things. A race is two who meet: nearly all that are known take one or two
operations of two workers, and of those a few schedules tell all there is to know.

What is drawn are choices out of lists, of which no two are alike within a program: each element
has the number of its worker and of its place. Hypothesis, which takes lists that are alike for the
same thing, spends five of six examples on copies of one part of a program over another; a program
whose workers all do the same seldom races.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from hypothesis import strategies as st

from pgmap import _core
from pgmap._core_facts import HuntedFact
from pgmap._operations import HANDLES, Argument, by_word, read
from pgmap._wishes import NAMES, SHARES, Choice, Wish

USER, TAKER = 0, 1
"""What a worker begins with: using what it has, or taking it away."""
WHOLE = -1
"""A size: all of a file, however large it is."""
MANY = 1 << 16
"""As many pages as there are."""
OF_DRIVER = ((0, None), (0, 2), (0, 2), (1, None), (1, None))
"""The same of a driver's own memory, where who frees is followed by who takes another size."""
PAGES = ((0, None), (0, None), (0, 2), (0, 2), (1, None))
"""Which page, and how many from there on, where a word need not say so; many a file has one."""
OF_HUNTS = 4
"""How much likelier a word is that hunts have, or that names a page, than another one."""
ANONYMOUS_ONLY = frozenset({"anon", "anonhuge", "split_huge_pages"})
"""Operations that nothing comes of elsewhere, though their arguments do not tell."""
REFERENCES = frozenset({"pvmread", "uring_reg"})
"""Operations that refer to pages, and no argument tells. Who frees a block that files shared waits
for its page with locks held (`shared-free=when-idle`): who has it and needs them is told I20."""
KEEPS = frozenset({"pin", "pipe"})
"""Kinds of handles that keep references."""
LENGTHS = (1, 1, 1, 2, 2, 3, 3)
"""How many operations a worker has, where it may have that many."""
LEAST = {"fd_number": 3, "value": 1}
"""The least that an argument can be, where that is not zero."""


class Ground(Enum):
    """What memory workers meet on."""

    FILES = 0
    SHARED = 3
    """Two files with a block in common, where nobody takes references: see `REFERENCES`."""
    DRIVER = 1
    """A driver's own memory, whose pages are in no file and in no mapping."""
    ANONYMOUS = 2
    """Memory of processes, which a fork shares and a device may have moved to its own."""


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
    hunted: bool
    """Whether it is a word of hunts."""
    grounds: frozenset[Ground]
    """Where anything can come of it."""

    def weight(self, part: int, last: str | None) -> int:
        """How likely it is to be the next of a worker, whose last word is told."""
        if self.behind is not None and last == self.behind[0]:
            return self.behind[1]
        return self.later if last is not None else self.first[part]


@cache
def words(operations: tuple[str, ...] | None, *, ground: Ground | None = None) -> tuple[Word, ...]:
    """What a worker can do that is one of these operations; `None`: anything.

    With `ground`, of that what something can come of there, if there is any.

    The words of hunts stand first, and then what no hunt has a word for.
    """
    rows = [hunted for row in _core.facts()["operations"] for hunted in row["hunted"]]
    hunted = [_word(row) for row in rows]
    known = {word.operation for word in hunted}
    others = [_other(name) for name in by_word("worker") if name not in known]
    every = (*hunted, *others)
    if operations is None:
        chosen = tuple(it for it in every if not is_a_protocol(it.operation))
    else:
        chosen = tuple(it for it in every if it.operation in operations)
    return tuple(it for it in chosen if ground is None or ground in it.grounds) or chosen


def is_a_protocol(operation: str) -> bool:
    """Whether it is a step of a protocol of the program's own, which drawn steps would break."""
    known = by_word("worker").get(operation)
    return known is not None and any(it.kind == "reference" for it in known.arguments)


def _word(row: HuntedFact) -> Word:
    _, operation, given = read(f"w0 {row['text']}")
    weights = row["weights"]
    after = weights["behind"]
    behind = None if after is None else (after[0], OF_HUNTS * after[1])
    user, taker, later = (OF_HUNTS * weights[at] for at in ("user", "taker", "later"))
    grounds = _grounds(operation)
    return Word(row["word"], operation, tuple(given), (user, taker), later, behind, True, grounds)


def _other(name: str) -> Word:
    """An operation that no hunt has a word for."""
    arguments = by_word("worker")[name].arguments
    weight = OF_HUNTS if any(argument.kind == "page" for argument in arguments) else 1
    none = (None,) * len(arguments)
    return Word(name, name, none, (weight, weight), weight, None, False, _grounds(name))


def _grounds(operation: str) -> frozenset[Ground]:
    kinds = [argument.kind for argument in by_word("worker")[operation].arguments]
    of_device = kinds[:1] in (["page"], ["driver"])
    if of_device and "mapping" not in kinds:
        return frozenset({Ground.DRIVER})
    if of_device or operation in ANONYMOUS_ONLY:
        # Of a device and a mapping: from one to the other, and what is in a file stays.
        return frozenset({Ground.ANONYMOUS})
    if operation == SHARES:
        return frozenset({Ground.SHARED})
    op = by_word("worker")[operation]
    device = any(argument.role == "device" for argument in op.arguments)
    refers = device or operation in REFERENCES or op.makes in KEEPS or KEEPS.intersection(kinds)
    files = {Ground.FILES} if refers else {Ground.FILES, Ground.SHARED}
    if "file" in kinds or "name" in kinds:
        return frozenset(files)
    return frozenset({*files, Ground.ANONYMOUS})


def steps(
    draw: Callable[[st.SearchStrategy[Any]], Any],
    worker: int,
    part: int,
    most: int,
    known: tuple[Word, ...],
) -> list[Wish]:
    """What a worker does, one thing after the other, at most so many; one at least."""
    last: str | None = None
    wishes = list[Wish]()
    for place in range(draw(_length(worker, most))):
        _, word, wish = draw(_next(worker, place, part, last, known))
        wishes.append(wish)
        last = word.name
    return wishes


@cache
def _length(worker: int, most: int) -> st.SearchStrategy[int]:
    lengths = [n for n in LENGTHS if n <= most] + list(range(max(LENGTHS) + 1, most + 1))
    return st.sampled_from([(worker, n) for n in lengths]).map(lambda it: it[1])


@cache
def _next(
    worker: int, place: int, part: int, last: str | None, known: tuple[Word, ...]
) -> st.SearchStrategy[tuple[tuple[int, int], Word, Wish]]:
    """The next step as a whole: one draw for each keeps programs cheap, and shrinking quick."""
    likely = [word for word in known for _ in range(word.weight(part, last))]
    at = worker, place
    return st.sampled_from([(at, word, wish) for word in likely or known for wish in _wishes(word)])


@cache
def _wishes(word: Word) -> tuple[Wish, ...]:
    """What a word comes to, for a file of any size: the same number of choices for each word."""
    arguments = by_word("worker")[word.operation].arguments
    given = list(zip(arguments, word.given, strict=True))
    # A file is mapped as a whole, and punched; of a driver's memory the least is the likeliest.
    many, parts = (1, OF_DRIVER) if word.grounds == {Ground.DRIVER} else (MANY, PAGES)
    return tuple(
        Wish(word.operation, tuple(_choice(it, text, many, *pages) for it, text in given))
        for pages in parts
    )


def _choice(
    argument: Argument, text: str | None, many: int, page: int, pages: int | None
) -> Choice:
    match argument.kind:
        case "page" if argument.name == "page":
            return page
        case "pages" if text is not None:
            return many if many == MANY else pages or many
        case "pages":
            return pages if argument.optional else pages or 1
        case "ticks":
            return 0  # it ends at any moment
        case "size":
            return 0 if text is None or not int(text) else WHOLE
        case "words":
            return text if text is not None or argument.optional else argument.words[0]
        case "file" | "name" | "openable":
            return NAMES.index(text) if text in NAMES else 0
        case kind if text is None and (argument.optional or kind == "mount_point"):
            return None
        case kind if text is None or kind in HANDLES:
            return LEAST.get(kind, 0)
        case _:
            return int(text)
