"""What is drawn of a program, before anybody knows what there is; and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass

from pgmap._operations import Argument, Operation, written

SHARES = "reflink"
"""The operation that gives two files the same blocks."""
NAMES = ("f", "g", "h")
"""What files are called, in the order in which they are declared."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A file as it is declared."""

    pages: int
    state: str = "written"
    layout: str = ""

    def declare(self, name: str) -> str:
        """The line of the program."""
        return " ".join(filter(None, ("file", name, str(self.pages), self.state, self.layout)))


@dataclass(frozen=True, slots=True)
class Habit:
    """How a worker maps what it needs mapped."""

    file: int = 0
    align: str = "natural"
    touch: str = ""
    """``r`` or ``w``: one page of it is touched in the set-up; ``""``: none is."""
    page: int = 0
    lets_go: bool = False
    """Whether a mapping that was needed to take a pin goes before ``start``."""
    opens: bool = False
    """Whether it maps through a descriptor, which stays open."""


Choice = int | str | tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Wish:
    """A step as it is drawn; `choices` has a number, a word or `None` for each argument."""

    word: str
    choices: tuple[Choice, ...]
    wild: bool = False
    """Whether it may name what is gone, and pages beyond the end."""


IDLE = Wish("nop", ())
"""What a worker does where nothing that was wished for can be done."""
LEAVE = Wish("exit", ())


@dataclass(eq=False, slots=True)
class Thing:
    """A handle. It gets its number when the program is written down."""

    kind: str
    file: int | None = None
    pages: int = 1
    number: int = 0


@dataclass(eq=False, slots=True)
class Line:
    """A step."""

    worker: int | None
    op: Operation
    word: str
    given: list[str | Thing | None]
    makes: Thing | None = None
    cause: int = 0
    """Which of the wishes it is there for."""

    def text(self) -> str:
        """As the program has it, once its handles are numbered."""
        told = [str(it.number) if isinstance(it, Thing) else it for it in self.given]
        who = "" if self.worker is None else f"w{self.worker} "
        return who + written(self.op, self.word, told)


def plain(argument: Argument, file: int, habit: Habit) -> int | str | None:
    """The plainest choice for an argument, for what is made in the set-up."""
    match argument.kind:
        case "file" | "openable":
            return file
        case "words" if argument.name == "align":
            return habit.align
        case "words" if argument.optional:
            return None
        case "words":
            return "rw" if "rw" in argument.words else argument.words[0]
        case "page":
            return habit.page if argument.role is None and argument.name == "page" else 0
        case "pages":
            return None if argument.optional else 1 << 16
        case _:
            return 0
