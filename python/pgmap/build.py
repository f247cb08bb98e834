"""Programs built in Python: `Program.build()`, a method for each operation of the language.

A method has the operation's word and its arguments in the order of the text, but for the numbers,
which are given out: what makes a mapping, a descriptor, a pipe or a pin returns a `Handle` that
stands for it. The result is an ordinary program, a text::

    from pgmap import Program, explore

    with Program.build() as p:
        f = p.file(1)
        a, b = p.worker(), p.worker()
        m = a.mmap(f)
        a.w(m, 0)
        p.start()
        pin = a.pin(m, 0)
        a.unpin(pin)
        b.ftruncate(f, 0)
        p.expect(pin.ok | pin.gives("EFAULT"))
    print(p)
    explore(p).assert_holds()

Each step is read as it is added, so a mistake is a `ProgramError` in the line that makes it.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import textwrap
from collections.abc import Callable, Sequence
from operator import index
from types import TracebackType
from typing import Any, SupportsIndex

from pgmap import _core
from pgmap._handles import (
    Condition,
    File,
    Handle,
    argument_text,
    default,
    file_of,
    python_name,
)
from pgmap._operations import HANDLES, Argument, Operation, by_word, operations, written
from pgmap.driver import Driver
from pgmap.errors import ProgramError

__all__ = ["Builder", "Condition", "File", "Handle", "Worker", "recorded", "text_of"]

NAMES = "fghijklmnopqrstuvwxyz"


class _Methods:
    """Something with a method for each operation of its table."""

    _by: str

    # For mypy, which does not see methods that come of a table; and for words that are in none.
    def __getattr__(self, word: str) -> Callable[..., Handle]:
        known = by_word(self._by)
        near = difflib.get_close_matches(word, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise AttributeError(f"no operation of the {self._by} is called {word!r}{hint}")


class Worker(_Methods):
    """A worker of a program being built: a method for each operation of a worker."""

    _by = "worker"

    def __init__(self, program: Builder, number: int) -> None:
        self.program = program
        self.number = number

    def __index__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"<w{self.number}>"


class Builder(_Methods):
    """A program being built: files, workers, steps of the environment, expectations."""

    _by = "environment"

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._files: dict[str, File] = {}
        self._workers: dict[int, Worker] = {}
        self._numbers = dict.fromkeys(HANDLES, 0)
        self._pins: dict[int, int] = {}
        self._behind: dict[int | None, int] | None = None
        """Steps behind ``start`` by whose they are; `None` before it."""

    def __enter__(self) -> Builder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @property
    def text(self) -> str:
        """The program so far, as a text in its canonical form."""
        return self.program.text

    @property
    def program(self) -> _core.Program:
        """The program so far, as a value."""
        return _core.Program("\n".join(self._lines))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return repr(self.program)

    def file(
        self,
        pages: SupportsIndex = 1,
        state: str = "written",
        layout: str | None = None,
        *,
        name: str | None = None,
    ) -> File:
        """Declare a file of so many `pages`; files come before the first step.

        `state` is ``written`` or ``unwritten``, `layout` ``contiguous`` or ``huge`` (`None`: where
        no huge page fits), `name` the next free letter from ``f`` on.
        """
        if name is None:
            name = next((n for n in NAMES if n not in self._files), f"f{len(self._files)}")
        made = File(name, index(pages))
        self._append(" ".join(filter(None, ("file", name, str(made.pages), state, layout))))
        self._files[name] = made
        return made

    def driver(self, driver: Driver) -> Driver:
        """Declare a driver; drivers come before the first step, too."""
        self._append(driver.text)
        return driver

    def worker(self, number: SupportsIndex | None = None) -> Worker:
        """The worker of that number, or the next one (`None`)."""
        at = len(self._workers) if number is None else index(number)
        while number is None and at in self._workers:
            at += 1
        return self._workers.setdefault(at, Worker(self, at))

    def expect(self, condition: Condition | str) -> None:
        """Expect `condition` at the end of every schedule."""
        self._append(f"expect {_condition(condition)}")

    def never(self, condition: Condition | str) -> None:
        """Expect `condition` at the end of no schedule."""
        self._append(f"never {_condition(condition)}")

    def sometimes(self, condition: Condition | str) -> None:
        """Expect `condition` at the end of one schedule at least."""
        self._append(f"sometimes {_condition(condition)}")

    def _append(self, line: str) -> None:
        """Add a line, unless the program would make no sense with it."""
        if "\n" in line:
            raise ProgramError(len(self._lines) + 1, f"{line!r} is more than one line")
        _core.Program("\n".join([*self._lines, line]))
        self._lines.append(line)

    def _add(
        self,
        worker: int | None,
        op: Operation,
        word: str,
        given: dict[str, Any],
        label: str | None,
        wait: bool,
    ) -> Handle:
        """Add a step, and what it makes."""
        texts = [self._text(worker, op, a, given) for a in op.arguments]
        who = "" if worker is None else f"w{worker} "
        named = "" if label is None else f"{label}: "
        behind = "" if wait else " &"
        self._append(f"{named}{who}{written(op, word, texts)}{behind}")
        return self._made(worker, op, word, given, label)

    def _text(
        self, worker: int | None, op: Operation, argument: Argument, given: dict[str, Any]
    ) -> str | None:
        if argument is op.made:
            return str(self._numbers[argument.kind])
        value = given[python_name(argument)]
        if value is None:
            value = default(op, argument, given)
        return None if value is None else argument_text(value, argument, worker)

    def _made(
        self,
        worker: int | None,
        op: Operation,
        word: str,
        given: dict[str, Any],
        label: str | None,
    ) -> Handle:
        kind, number = op.makes, None
        if kind == "pin" and worker is not None:
            number = self._pins[worker] = self._pins.get(worker, -1) + 1
        elif kind is not None:
            number = self._numbers[kind]
            self._numbers[kind] += 1
        if word == "start":
            self._behind = {}
        elif self._behind is not None:
            self._behind[worker] = self._behind.get(worker, 0) + 1
        who = "env" if worker is None else f"w{worker}"
        place = "set-up" if self._behind is None else f"{who}.{self._behind.get(worker, 0)}"
        return Handle(label or place, worker, kind, number, file_of(given, op))


def _condition(given: Condition | str) -> str:
    return given.text if isinstance(given, Condition) else given


def _method(op: Operation, word: str) -> Callable[..., Handle]:
    """The method for a word of an operation, with a signature and a text for `help`."""
    asked = [a for a in op.arguments if a is not op.made]
    names = [python_name(a) for a in asked]
    positional, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature(
        [
            inspect.Parameter("self", positional),
            *(inspect.Parameter(name, positional, default=None) for name in names),
            inspect.Parameter("label", named, default=None, annotation="str | None"),
            inspect.Parameter("wait", named, default=True, annotation="bool"),
        ],
        return_annotation="Handle",
    )

    def method(self: Worker | Builder, *args: object, **kwargs: object) -> Handle:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given: dict[str, Any] = {name: bound.arguments[name] for name in names}
        label, wait = bound.arguments["label"], bound.arguments["wait"]
        if isinstance(self, Worker):
            return self.program._add(self.number, op, word, given, label, wait)
        return self._add(None, op, word, given, label, wait)

    method.__name__ = word
    method.__qualname__ = f"{'Worker' if op.by == 'worker' else 'Builder'}.{word}"
    method.__doc__ = _doc(op, asked)
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def _doc(op: Operation, asked: list[Argument]) -> str:
    ends = f" It can end in {', '.join(op.ends)}." if op.ends else ""
    told = [f"{python_name(a)}: {_meaning(a)}{_unsaid(op, a)}" for a in asked]
    body = "\n".join(textwrap.fill(line, 88, subsequent_indent="    ") for line in told)
    return "\n\n".join(filter(None, (op.sentence + ends, body)))


def _meaning(argument: Argument) -> str:
    return " or ".join(argument.words) or argument.kind.replace("_", " ")


def _unsaid(op: Operation, argument: Argument) -> str:
    try:
        value = default(op, argument, {})
    except TypeError:
        return ""
    if op.makes == "mapping" and argument.kind == "pages":
        return " (the rest of the file, if left out)"
    if argument.optional and argument.words:
        value = argument.words[0]
    return " (may be left out)" if value is None else f" ({value}, if left out)"


def _install() -> None:
    """Give `Worker` and `Builder` their methods."""
    for op in operations():
        for word in op.words:
            setattr(Worker if op.by == "worker" else Builder, word, _method(op, word))


_install()


def recorded(
    setup: Builder | Callable[[Builder], object] | None,
    workers: Sequence[Callable[..., object]],
) -> _core.Program:
    """The program of a set-up and of what each worker does behind ``start``, recorded once.

    `setup` is a builder, which stays as it is, or is called with one. The functions of `workers`
    are called one after the other with the workers 0, 1, 2 and, if `setup` returns something, with
    that: what they call there is what these workers do, at the same time.
    """
    if isinstance(setup, Builder):
        built, made = copy.deepcopy(setup), None
    else:
        built = Builder()
        made = None if setup is None else setup(built)
    if built._behind is None:
        built.start()
    for number, body in enumerate(workers):
        body(*([built.worker(number)] if made is None else [built.worker(number), made]))
    return built.program


def text_of(
    program: str | _core.Program | Builder | None,
    setup: Builder | Callable[[Builder], object] | None = None,
    workers: Sequence[Callable[..., object]] | None = None,
) -> str:
    """The text of a program, however it is given: as one, or by functions as `recorded` takes."""
    if workers is not None:
        if program is not None:
            raise TypeError("either a program or workers, not both")
        return recorded(setup, workers).text
    if setup is not None:
        raise TypeError("a setup needs workers")
    if isinstance(program, str):
        return program
    if isinstance(program, _core.Program | Builder):
        return program.text
    raise TypeError(f"program must be a str or a Program, not {type(program).__name__}")
