"""What programs built in Python are made of: files, handles, conditions; and arguments as texts.

Public as names of `pgmap.build`.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from operator import index
from typing import Any

from pgmap._operations import Argument, Operation
from pgmap.driver import Driver

FIRST_CHOICE = "rw"
"""What a file is opened for and mapped for, where nothing is said."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a program, `pages` long."""

    name: str
    pages: int


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a program expects; joined by ``&``, ``|`` and ``~``."""

    text: str

    def __and__(self, other: Condition) -> Condition:
        return Condition(f"({self.text} and {other.text})")

    def __or__(self, other: Condition) -> Condition:
        return Condition(f"({self.text} or {other.text})")

    def __invert__(self) -> Condition:
        return Condition(f"not ({self.text})")

    def __bool__(self) -> bool:
        raise TypeError("a condition is neither true nor false yet: join them by &, | and ~")


@dataclass(frozen=True, slots=True)
class Handle:
    """A step of a program, and what it makes, if it makes something that others name."""

    step: str
    """What expectations call it: its label, or its place, such as ``w0.2``."""
    worker: int | None
    """Whose it is; `None` for the environment's."""
    kind: str | None = None
    """``mapping``, ``fd``, ``pipe``, ``pin``, or `None`."""
    number: int | None = None
    """The number that the text has for it."""
    file: File | None = None
    """The file that is open or mapped."""

    def gives(self, result: str | int) -> Condition:
        """That the step comes to this: a value, an errno such as ``EBUSY``, or a signal's name."""
        return Condition(f"{self.step} = {result}")

    @property
    def ok(self) -> Condition:
        """That the step does not fail."""
        return self.gives("ok")

    @property
    def waits(self) -> Condition:
        """That the step never returns."""
        return self.gives("waits")


def python_name(argument: Argument) -> str:
    return f"{argument.name}_" if keyword.iskeyword(argument.name) else argument.name


def file_of(given: dict[str, Any], op: Operation) -> File | None:
    """The file that a step is about."""
    for argument in op.arguments:
        value = given.get(python_name(argument))
        if isinstance(value, File):
            return value
        if isinstance(value, Handle) and value.file is not None:
            return value.file
    return None


def default(op: Operation, argument: Argument, given: dict[str, Any]) -> object:
    """What stands for a required argument that is not given; of an optional one nothing does."""
    if argument.optional:
        return None
    if argument.words:
        return FIRST_CHOICE if FIRST_CHOICE in argument.words else argument.words[0]
    file = file_of(given, op)
    match argument.kind:
        case "page":
            return 0
        case "pages" if op.makes == "mapping" and file is not None:
            return max(1, file.pages - index(given.get("offset") or 0))
        case "pages":
            return 1
        case _:
            raise TypeError(f"{op.words[0]} needs {argument.name}")


def argument_text(value: Any, argument: Argument, worker: int | None) -> str:
    """An argument as the language has it."""
    match value:
        case Handle(kind=kind, number=number) if number is not None:
            if kind != argument.kind and not (kind == "fd" and argument.kind == "file"):
                raise TypeError(f"{argument.name} is a {argument.kind}, and this is a {kind}")
            if kind == "pin" and value.worker != worker:
                raise TypeError(f"{argument.name} is a pin of w{value.worker}, not of w{worker}")
            return str(number)
        case Handle():
            raise TypeError(f"{argument.name} is a {argument.kind}; that step makes nothing")
        case File(name=name) | Driver(name=name):
            return name
        case str():
            return value
        case (page, pages):
            return f"{index(page)} {index(pages)}"
        case _:
            number = index(value)
            return f"w{number}" if argument.kind == "worker" else str(number)
