"""A program while it is drawn: steps with symbols for handles, made valid as they are added.

What is drawn of a step is a `Wish`: an operation and a small number for each argument. A draft
makes a step of it: the number picks one of the handles that the worker has just then, a page that
its mapping covers, a file that is there. A handle that is needed and not there is made in the
set-up. So any wishes make a program, and leaving one out, or a number that is smaller, makes a
smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pgmap import _core
from pgmap._operations import ENDS, HANDLES, STARTS, THREAD, Argument, by_word, operations
from pgmap._wishes import IDLE, LEAVE, NAMES, SHARES, Choice, Habit, Line, Shape, Thing, Wish, plain
from pgmap.errors import ProgramError

DISK_PAGES = 16
"""Room for files on the machine that is made for a program."""
SLOW_DEVICE = "/dev/nullb0"
DEVICE_PAGES = 4
"""As many pages of a driver's memory are asked for."""
DRIVER = (
    "driver d 2 alloc lock(free) pop unlock(free) init_page pagemap_get set_count(1) "
    "page_free lock(free) push unlock(free)"
)
"""The driver of a program that needs one: a right one, as `lib/test_hmm.c` has it."""
COPIED = ("mapping", "fd", "device", "pipe")
"""Kinds of handles that a fork copies."""
NUMBERED_AS = {"device": "fd"}
"""Handles of the slow device are descriptors, of which only some operations can make use."""


@dataclass(slots=True)
class Draft:
    """A program that grows."""

    files: list[tuple[str, int]] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    drivers: list[str] = field(default_factory=list)
    """Their names."""
    habits: dict[int, Habit] = field(default_factory=dict)
    setup: list[Line] = field(default_factory=list)
    body: list[Line] = field(default_factory=list)
    folio: int = 1
    """Pages of a folio of the driver's own memory that a step needs."""
    fixed: bool = False
    """Whether the set-up stays as it is."""
    wished: int = 0
    """How many wishes there were."""
    now: int = 0
    """The wish that steps are added for: its number, or that of who comes to an end, below zero."""
    live: dict[tuple[int, str], list[Thing]] = field(default_factory=dict)
    """By worker and kind: what can be named."""
    made: dict[tuple[int, str], list[Thing]] = field(default_factory=dict)
    """The same, with what is gone."""

    # -- the text ---------------------------------------------------------------------------------

    def text(self) -> str:
        """The program as it is."""
        self._number()
        body = [line.text() for line in self.body]
        steps = [*(line.text() for line in self.setup), *(["start", *body] if body else [])]
        return "\n".join([*self.declared, *steps]) + "\n"

    def _number(self) -> None:
        """Number what is made, in the order of the text."""
        count: dict[tuple[int | None, str], int] = {}
        process: dict[int | None, int | None] = {}
        for line in (*self.setup, *self.body):
            whose = process.get(line.worker, line.worker)
            if line.makes is not None:
                kind = NUMBERED_AS.get(line.makes.kind, line.makes.kind)
                at = (whose if kind in COPIED else line.worker, kind)
                line.makes.number = count.get(at, 0)
                count[at] = line.makes.number + 1
            if (child := _child(line)) is not None:
                # What it has of its parent has numbers, too.
                count |= {(child, kind): count.get((whose, kind), 0) for kind in COPIED}
                if line.word == THREAD:
                    process[child] = whose

    def reads(self) -> bool:
        """Whether it is a program so far."""
        try:
            _core.Program(self.text())
        except ProgramError:
            return False
        return True

    def cause(self, line: int) -> int:
        """The wish that a line of the text, from 1, is there for; 0 where there is none."""
        at = line - len(self.declared) - 1
        if at >= len(self.setup):
            return self.body[at - len(self.setup) - 1].cause
        return self.setup[at].cause if at >= 0 else 0

    def _leaves(self, worker: int | None) -> bool:
        """Whether a worker can do nothing behind ``start``."""
        self.setup.append(Line(worker, by_word("worker")[IDLE.word], IDLE.word, []))
        reads = self.reads()
        self.setup.pop()
        return not reads

    # -- steps ------------------------------------------------------------------------------------

    def declare(self, files: Sequence[Shape]) -> None:
        """Declare files, as many as the device has room for."""
        for shape in files:
            if sum(pages for _, pages in self.files) + shape.pages <= DISK_PAGES:
                name = NAMES[len(self.files)]
                self.files.append((name, shape.pages))
                self.declared.append(shape.declare(name))

    def wish(
        self,
        worker: int | None,
        wishes: Sequence[Wish],
        refused: AbstractSet[int],
        *,
        before: bool = False,
    ) -> None:
        """Add steps, but for those that are known to be refused."""
        for wish in wishes:
            self.wished += 1
            self.now = self.wished
            if self.wished in refused:
                continue
            already = list(self.setup)
            if self.add(worker, wish, before=before) and before and self._leaves(worker):
                self.setup[:] = already

    def add(self, worker: int | None, wish: Wish, *, before: bool = False) -> Line | None:
        """Add a step behind ``start``, or `before` it; `None` if it has nothing to be about.

        Whether it makes a program is not looked at: a reader of the text says which line does not.
        """
        before = before or wish.word == THREAD
        if wish.word == THREAD and self.fixed:
            return None
        if wish.word == SHARES and any("huge" in line for line in self.declared):
            return None  # a copy takes a huge page apart, whoever refers to it, in every era
        known = by_word("environment" if worker is None else "worker")
        op, into = known[wish.word], self.setup if before else self.body
        already = list(self.setup)
        line = Line(worker, op, wish.word, [], cause=self.now)
        for argument, choice in zip(op.arguments, wish.choices, strict=True):
            if not self._argue(line, argument, choice, wish.wild):
                self.setup[:] = already
                return None
        if op.makes is not None:
            line.makes = self._thing(line)
            made = op.made
            line.given = [line.makes if it is made else g for it, g in _pairs(line)]
        into.append(line)
        self._settle(line)
        return line

    def _argue(self, line: Line, argument: Argument, choice: Choice, wild: bool) -> bool:
        """Give the step one more argument; false if there is nothing to give."""
        if argument is line.op.made:
            line.given.append(None)
            return True
        if choice is None:
            unnamed = argument.kind in HANDLES and not wild
            if unnamed and self._handle(line, argument, 0, wild) is None:
                return False
            line.given.append(None)
            return True
        given = self._given(line, argument, choice, wild)
        line.given.append(given)
        return given is not None or argument.optional

    def _given(
        self, line: Line, argument: Argument, choice: Choice, wild: bool
    ) -> str | Thing | None:
        if isinstance(choice, str):
            return choice
        if isinstance(choice, tuple):
            page, pages = choice
            within = self._within(line)
            page %= within
            return f"{page} {min(pages, within - page) or 1}"
        if choice is None:
            return None
        match argument.kind:
            case kind if kind in HANDLES:
                return self._handle(line, argument, choice, wild)
            case "file":
                return self._file(line, choice)
            case "name":
                return self.files[choice % len(self.files)][0] if self.files else None
            case "openable":
                names = [name for name, _ in self.files]
                return [*names, SLOW_DEVICE][choice % (len(names) + 1)]
            case "driver":
                return self._driver(choice)
            case "worker":
                return self._other(line, choice)
            case "page" if argument.name == "device":
                return str(choice if wild else 0)  # there is one
            case "page" | "size":
                within = self._within(line) + (argument.kind == "size")
                page = choice if wild else choice % within
                if not line.given and not wild:
                    self._allocate(line, page)
                return str(page)
            case "pages":
                left = self._within(line) - self._page(line)
                return str(choice if wild else max(1, min(choice, left)))
            case _:
                return str(choice)

    def _handle(self, line: Line, argument: Argument, choice: int, wild: bool) -> Thing | None:
        owner = line.worker
        if argument.role == "theirs":
            owner = int(str(line.given[0]).removeprefix("w"))
        if owner is None:
            return None
        kind = "device" if argument.role == "device" else argument.kind
        held = (self.made if wild else self.live).get((owner, kind), [])
        if not held and not self.fixed:
            self._need(owner, kind)
            held = self.live.get((owner, kind), [])
        return held[choice % len(held)] if held else None

    def _need(self, worker: int, kind: str) -> None:
        """Make a handle in the set-up, in the worker's own way."""
        habit = self.habits.get(worker, Habit())
        maker = "fd" if kind == "device" else kind
        op = next(op for op in operations() if op.makes == maker)
        if kind == "mapping" and habit.opens and not self.live.get((worker, "fd")):
            self._need(worker, "fd")
        behind = kind == "device" or (kind == "mapping" and habit.opens)
        # Behind the names stand the slow device, or the descriptors.
        at = len(self.files) if behind else habit.file
        choices = [plain(argument, at, habit) for argument in op.arguments]
        made = self.add(worker, Wish(op.words[0], tuple(choices)), before=True)
        if made is not None and kind == "mapping" and habit.touch:
            word = by_word("worker")[habit.touch]
            page = [None if a.kind == "pages" else 0 for a in word.arguments]
            page[1] = habit.page
            self.add(worker, Wish(habit.touch, tuple(page)), before=True)
        if made is not None and kind == "pin" and habit.lets_go:
            self._let_go(worker, made)

    def _allocate(self, line: Line, page: int) -> None:
        """Allocate the page of the driver's own memory that a step is about, in the set-up."""
        maker = next(op for op in operations() if op.returns == "folios")
        start = page - page % self.folio
        there = [str(start), str(self.folio)]
        if line.op is maker or self.fixed or any(it.given == there for it in self.setup):
            return
        self.add(line.worker, Wish(maker.words[0], (start, self.folio)), before=True)

    def _let_go(self, worker: int, line: Line) -> None:
        """End, in the set-up, the mapping of a step, unless one behind ``start`` names it."""
        held = self.live.get((worker, "mapping"), [])
        at = next(n for n, thing in enumerate(held) if thing in line.given)
        if any(held[at] in step.given for step in self.body):
            return
        op = next(op for op in operations() if any(_ends_mapping(a) for a in op.arguments))
        choices = [at if _ends_mapping(a) else None for a in op.arguments]
        self.add(worker, Wish(op.words[0], tuple(choices)), before=True)

    def _file(self, line: Line, choice: int) -> str | Thing | None:
        """A file by its name, or by a descriptor of the worker."""
        fds = [] if line.worker is None else self.live.get((line.worker, "fd"), [])
        choices: list[str | Thing] = [*(name for name, _ in self.files), *fds]
        return choices[choice % len(choices)] if choices else None

    def _driver(self, choice: int) -> str | None:
        """A driver by its name; one is declared if there is none."""
        if not self.drivers and not self.fixed:
            self.drivers.append(DRIVER.split()[1])
            self.declared.append(DRIVER)
        return self.drivers[choice % len(self.drivers)] if self.drivers else None

    def _other(self, line: Line, choice: int) -> str:
        """Another worker; a new one, if it is to be made."""
        if line.op.arguments[0].name == "child":
            taken = {it.worker for it in (*self.setup, *self.body)} | set(self.habits)
            return str(next(n for n in range(64) if n not in taken))
        others = sorted(n for n in self.habits if n != line.worker) or [line.worker or 0]
        return f"w{others[choice % len(others)]}"

    # -- what a step is about ---------------------------------------------------------------------

    def _within(self, line: Line) -> int:
        """How many pages there are to choose from."""
        for given in reversed(line.given):
            if isinstance(given, Thing) and given.kind in ("mapping", "fd"):
                return given.pages
            for name, pages in self.files:
                if given == name:
                    return pages
        return DEVICE_PAGES

    def _page(self, line: Line) -> int:
        """The page named before."""
        for argument, given in zip(
            reversed(line.op.arguments[: len(line.given)]), reversed(line.given), strict=True
        ):
            if argument.kind == "page" and isinstance(given, str):
                return int(given)
        return 0

    def _thing(self, line: Line) -> Thing:
        kind = line.op.makes
        assert kind is not None
        thing = Thing(kind, pages=self._within(line))
        for argument, given in zip(line.op.arguments, line.given, strict=True):
            if given == SLOW_DEVICE:
                thing.kind = "device"
            if argument.kind == "pages" and kind == "mapping" and isinstance(given, str):
                thing.pages = int(given)
        return thing

    def _settle(self, line: Line) -> None:
        """What is there, and what is gone, after a step."""
        if line.worker is None:
            return
        if (child := _child(line)) is not None:
            for things in (self.live, self.made):
                for kind in COPIED:
                    has = things.setdefault((line.worker, kind), [])
                    # What one thread makes all have.
                    things[child, kind] = has if line.word == THREAD else list(has)
        if line.makes is not None:
            for things in (self.live, self.made):
                things.setdefault((line.worker, line.makes.kind), []).append(line.makes)
        for argument, given in _pairs(line):
            if argument.role != ENDS:
                continue
            held = self.live.get((line.worker, argument.kind), [])
            if isinstance(given, Thing) and given in held:
                held.remove(given)
            elif given is None and held:
                held.pop()

    def end(self, worker: int, refused: AbstractSet[int], *, leaves: bool) -> None:
        """Let a worker give back what only it can: its pins, and by leaving what is in a pipe.

        Whoever `leaves` gives back all that it has, each kind in its turn.
        """
        self.now = -1 - worker
        if self.now in refused:
            return
        if leaves or any(line.worker == worker and _fills(line) for line in self.body):
            self.add(worker, LEAVE)
            return
        for op in operations():
            ends = next((a for a in op.arguments if a.role == ENDS and a.optional), None)
            while ends is not None and self.live.get((worker, ends.kind)):
                if self.add(worker, Wish(op.words[0], (0,) * len(op.arguments))) is None:
                    break

    # -- a set-up that is given -------------------------------------------------------------------

    def absorb(self, text: str) -> None:
        """Begin with a set-up that is given."""
        program = _core.Program(text)
        self.files = list(program.files)
        self.drivers = [name for name, _ in program.drivers]
        self.declared = program.text.splitlines()[: len(self.files) + len(self.drivers)]
        known: dict[tuple[int | None, str, str], Thing] = {}
        for step in program.steps:
            self._absorb(step.text, step.worker, known)
        self.fixed = True

    def _absorb(
        self, text: str, worker: int | None, known: dict[tuple[int | None, str, str], Thing]
    ) -> None:
        """One step of it; `known` are the handles by worker, kind and number."""
        words = text.split()[0 if worker is None else 1 :]
        op = by_word("environment" if worker is None else "worker")[words[0]]
        told: list[str | None] = [*words[1 : len(op.arguments) + 1]]
        told += [None] * (len(op.arguments) - len(told))
        line = Line(worker, op, words[0], [])
        for argument, it in zip(op.arguments, told, strict=True):
            kind = "fd" if argument.kind == "file" else argument.kind
            line.given.append(it if it is None else known.get((worker, kind, it), it))
        self.setup.append(line)
        if op.makes is not None:
            line.makes = self._thing(line)
            at = next((it for it, a in zip(told, op.arguments, strict=True) if a is op.made), None)
            pins = sum(key[:2] == (worker, "pin") for key in known)
            known[worker, NUMBERED_AS.get(line.makes.kind, line.makes.kind), at or str(pins)] = (
                line.makes
            )
        line.given = [line.makes if it is op.made else g for it, g in _pairs(line)]
        if worker is not None:
            self.habits.setdefault(worker, Habit())
        self._settle(line)


def _pairs(line: Line) -> Sequence[tuple[Argument, str | Thing | None]]:
    return list(zip(line.op.arguments, line.given, strict=True))


def _child(line: Line) -> int | None:
    """The worker that a step starts with what its own has: a copy of it, or the same."""
    arguments = line.op.arguments
    if line.word not in STARTS or not arguments or not isinstance(line.given[0], str):
        return None
    return int(line.given[0])


def _fills(line: Line) -> bool:
    """Whether a step puts references into a pipe."""
    given = [it for it in line.given if isinstance(it, Thing)]
    return any(it.kind == "pipe" for it in given) and any(it.kind == "mapping" for it in given)


def _ends_mapping(argument: Argument) -> bool:
    return argument.role == ENDS and argument.kind == "mapping"
