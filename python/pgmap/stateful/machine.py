"""`RaceMachine`: a Hypothesis state machine whose rules run on a World and on a model of it.

A rule does steps, written as in a program. `do` does one alone; `concurrently` takes several,
explores all their interleavings within a bound from the state reached so far, and goes on from the
first of them. World and model must say the same of each step, and agree at every join point::

    from hypothesis.stateful import Bundle, consumes, initialize, multiple, rule
    from hypothesis.strategies import integers
    from pgmap.stateful import RaceMachine

    class Gup(RaceMachine):
        mapped = Bundle("mapped")
        pins = Bundle("pins")

        @initialize(target=mapped)
        def one_process_maps_a_file(self):
            self.create("f", 4)
            self.do("w0 mmap 0 f 0 4 rw shared")
            return 0

        @rule(target=pins, mapping=mapped, page=integers(0, 3))
        def pin(self, mapping, page):
            number = self.take(f"w0 pin {mapping} {page}")
            return multiple() if number is None else number

        @rule(pin=consumes(pins))
        def unpin_while_truncating(self, pin):
            self.concurrently(f"w0 unpin {pin}", "w1 ftruncate f 0")

    TestGup = Gup.TestCase

There is nothing to wait for while a rule begins: a step that would sleep alone is not done, and of
`concurrently` all must come to their end in the first order.

Rules, the model (`model_class`) and drivers (`drivers`) are the subclass's own.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol

from hypothesis import currently_in_test_context, note
from hypothesis.stateful import RuleBasedStateMachine, invariant

from pgmap import Program, World
from pgmap._operations import STARTS, by_word, read, written
from pgmap.driver import Driver
from pgmap.errors import ProgramError
from pgmap.stateful._calls import Call, in_turn, outcome
from pgmap.stateful.model import Model
from pgmap.stateful.things import FILE_PAGES_MAX, PMD_PAGES, Refused, Sleeping
from pgmap.strategies import check
from pgmap.verdicts import Verdict

ASLEEP = "asleep"
"""What `RaceMachine.do` says of a step that would sleep; it is not done."""


class SequentialModel(Protocol):
    """What a World is compared with: anything that can be copied and does one step at a time."""

    def create(self, name: str, pages: int, state: str) -> None:
        """Make a file."""

    def do(self, step: str) -> Sleeping:
        """Do a step, yielding while it sleeps; return what it returns, or raise `Refused`."""

    def learn(self, world: World) -> None:
        """Take over what is the World's to choose, such as which block a page was given."""

    def differences(self, world: World) -> Iterator[str]:
        """Tell each difference from a World in which nobody runs."""


class RaceMachine(RuleBasedStateMachine):
    """A World, a model of it, and how they are kept in step. Subclass it, and add rules."""

    era: ClassVar[str] = "v6.15-sound"
    """Whose rules the World has, and the searches."""
    rules_changed: ClassVar[Mapping[str, str]] = {}
    """Rules that differ from the era's; a wrong one must be noticed."""
    geometry: ClassVar[Mapping[str, int]] = {
        "pmd_order": PMD_PAGES.bit_length() - 1,
        "gather_batch": 2,
        "pages": 64,
        "dev_pages": 0,
        "file_pages_max": FILE_PAGES_MAX,
    }
    """Sizes of both machines."""
    preemptions: ClassVar[int] = 1
    """Bound of each search."""
    schedules: ClassVar[int] = 400
    """Most schedules of each search, cut ones included."""
    model_class: ClassVar[type[Any]] = Model
    """A `SequentialModel`, made without arguments."""
    drivers: ClassVar[Sequence[Driver]] = ()
    """Drivers of one's own, whose pages workers take; the model's `load_driver` is told each."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = World(
            era=self.era, geometry=self._sizes, rules=dict(self.rules_changed)
        )
        self.model: SequentialModel = self.model_class()
        for driver in self.drivers:
            self.world.load_driver(driver)
            self.model.load_driver(driver)
        self.files: list[str] = []
        self.history: list[str] = []
        """The steps that lead here, as the set-up of a program."""
        self.rebuilt: bool = True
        """Whether they do: not once something was done that no program can ask for."""
        self._numbers: dict[int, list[int | None]] = {}

    @property
    def _sizes(self) -> dict[str, int]:
        """With room for the drivers' pages."""
        room = sum(driver.pages for driver in self.drivers)
        return {**self.geometry, "dev_pages": max(self.geometry.get("dev_pages", 0), room)}

    # -- what rules do ----------------------------------------------------------------------------

    def create(
        self, name: str, pages: int, state: str = "written", layout: str = "contiguous"
    ) -> None:
        """Make a file; `state` and `layout` are those of `World.create`."""
        self.model.create(name, pages, state)
        self.world.create(name, pages, state, layout)  # type: ignore[arg-type]
        declared = any(line.split()[1] == name for line in self.files)
        self.rebuilt = self.rebuilt and state != "sparse" and not declared
        if not declared:
            self.files.append(f"file {name} {pages} {state} {layout}")
        self.model.learn(self.world)

    def do(self, step: str) -> object:
        """Do a step alone; what it came to, or `ASLEEP` if it would sleep, and is not done."""
        [result] = self._in_step([step], []) or [ASLEEP]
        return result

    def take(self, step: str) -> int | None:
        """Do a step that takes a pin or a get; its number, or None if it was refused."""
        self.do(step)
        taken = self.taken(read(step)[0])
        return None if not taken or taken[-1] is None else len(taken) - 1

    def taken(self, worker: int) -> list[int | None]:
        """By number of a worker's pins so far: its number in `history`; None if it was refused."""
        return self._numbers.setdefault(worker, [])

    def concurrently(self, *steps: str) -> Verdict | None:
        """Explore all interleavings of steps, and go on from the first one.

        Steps of one worker are done in their order. The set-up of the search are the steps done so
        far. `DoesNotHold` if an interleaving breaks and the rules are to blame, with the report.
        None, and nothing is done, if somebody would still be asleep at the end of the first one.
        """
        verdicts: list[Verdict] = []
        results = self._in_step(sorted(steps, key=lambda s: read(s)[0]), verdicts, explored=True)
        return verdicts[0] if results is not None and verdicts else None

    def call(self, predicted: Any, real: Any) -> object:
        """Compare calls that no program can make; searches explore without what they did."""
        self.rebuilt = False
        expected = outcome(partial(predicted, self.model))
        said = outcome(partial(real, self.world))
        assert said == expected, f"{said}, model {expected}"
        self.model.learn(self.world)
        return said

    def interrupted(self, step: str) -> None:
        """Do a step that sleeps, and end its sleep by a signal; what does not sleep is not done."""
        after = copy.deepcopy(self.model)
        begun = after.do(step)
        try:
            next(begun)
        except (StopIteration, Refused):
            return
        worker = read(step)[0]
        call = Call(self.world, worker, partial(self.world.execute, step))
        assert call.sleeps(), f"{step} did not sleep: {call.returned}"
        assert self.world.interrupt(worker)
        assert not call.sleeps()
        assert call.returned == "refused: EINTR"
        begun.close()
        self.model, self.rebuilt = after, False

    # -- in step ----------------------------------------------------------------------------------

    def _in_step(
        self, steps: list[str], verdicts: list[Verdict], *, explored: bool = False
    ) -> list[object] | None:
        """Do steps in turn on model and World; what they came to, in their order of return."""
        after, expected = copy.deepcopy(self.model), list[tuple[str, object]]()
        turns = [(read(step)[0], step) for step in steps]
        ended = in_turn(turns, lambda _, step: _predicted(after, step, expected), _goes_on)
        if not ended:
            return None
        if explored and self.rebuilt:
            verdicts.append(self._explore(steps))
        calls: dict[str, list[Call]] = {}

        def start(worker: int, step: str) -> Call:
            call = Call(self.world, worker, partial(self.world.execute, step))
            calls.setdefault(step, []).append(call)
            return call

        woke = in_turn(turns, start, Call.sleeps)
        assert woke, f"asleep: {self.world.waiters()}, and the model says that nobody is"
        for step, result in expected:
            said = calls[step].pop(0).returned
            assert said == result, f"{step}: {said}, model {result}"
        self.model = after
        self.model.learn(self.world)
        for step, result in expected:
            self._remember(step, refused=str(result).startswith("refused"))
        return [result for _, result in expected]

    def _explore(self, steps: list[str]) -> Verdict:
        program = "\n".join([*self._declared(), *self.history, "start", *self._behind_start(steps)])
        if currently_in_test_context():
            note(program)
        return check(
            program,
            era=self.era,
            rules=self.rules_changed,
            geometry=self._sizes,
            preemptions=self.preemptions,
            schedules=self.schedules,
        )

    # -- the set-up of a search -------------------------------------------------------------------

    def _declared(self) -> list[str]:
        """The lines that a program begins with."""
        return [*map(str, self.drivers), *self.files]

    def _remember(self, step: str, *, refused: bool) -> None:
        """Add a step to the history: a refused one is none of the set-up's."""
        worker, word, given = read(step)
        numbers = self.taken(worker)
        if refused:
            numbers += [None] * (by_word("worker")[word].makes == "pin")
            return
        begun = worker if word == "spawn" else int(given[0] or 0) if word in STARTS else None
        again = begun is not None and any(read(done)[0] == begun for done in self.history)
        self.history.append(_renumbered(step, numbers))
        # A program cannot bring back who has left, nor open what is open.
        self.rebuilt = self.rebuilt and not again and self._reads()

    def _reads(self) -> bool:
        """Whether the history is a program's set-up."""
        try:
            Program("\n".join([*self._declared(), *self.history]))
        except ProgramError:
            return False
        return True

    def _behind_start(self, steps: list[str]) -> list[str]:
        """Steps as the program has them; what takes a pin there counts, whatever it comes to."""
        numbers = {worker: list(self.taken(worker)) for worker, _, _ in map(read, steps)}
        return [_renumbered(step, numbers[read(step)[0]]) for step in steps]

    # -- what must always hold --------------------------------------------------------------------

    @invariant()
    def world_and_model_agree(self) -> None:
        """Every word that the model knows is what the World has."""
        told = list(self.model.differences(self.world))
        assert told == [], "; ".join(told)

    @invariant()
    def no_invariant_is_broken(self) -> None:
        """The World has seen nothing that must not be."""
        told = self.world.violations()
        assert told == (), "; ".join(map(str, told))

    def at_the_end(self) -> None:
        """Let everybody give back and leave, after a run in step; then the World is closed."""

    def teardown(self) -> None:
        """End the run; after one in step, `at_the_end` first."""
        with self.world:
            if sys.exc_info()[0] is None:
                self.at_the_end()


def _renumbered(step: str, numbers: list[int | None]) -> str:
    """A step with the numbers that pins have where no refused one was counted.

    `numbers` are those of its worker, by the number that the World gave; a pin adds its own.
    """
    worker, word, given = read(step)
    op = by_word("worker")[word]
    for at, argument in enumerate(op.arguments):
        told = given[at]
        if argument.kind == "pin" and told is not None and told.isdecimal():
            number = numbers[int(told)] if int(told) < len(numbers) else None
            given[at] = told if number is None else str(number)
    if op.makes == "pin":
        numbers.append(sum(number is not None for number in numbers))
    return f"w{worker} {written(op, word, given)}"


def _predicted(model: SequentialModel, step: str, told: list[tuple[str, object]]) -> Sleeping:
    """A step of the model, which notes what it came to."""
    result: object
    try:
        result = yield from model.do(step)
    except Refused as refused:
        result = f"refused: {refused}"
    told.append((step, result))
    return result


def _goes_on(begun: Sleeping) -> bool:
    """Whether it sleeps (again)."""
    return next(begun, StopIteration) is not StopIteration
