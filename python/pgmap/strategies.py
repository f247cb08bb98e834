"""Hypothesis strategies: programs to explore, and what they are explored under.

The drawn thing is a program, never a schedule. What searches its interleavings is `check`, a
deterministic function of the program, inside the test: so a failure is never flaky, shrinks, and is
kept in the example database::

    from hypothesis import given
    from pgmap import strategies

    @given(strategies.programs(threads=2, words=("mmap", "w", "pin", "unpin", "ftruncate")))
    def test_no_program_breaks_my_rules(program):
        strategies.check(program, rules={"zap-put": "after-flush"})

Everything is drawn from the core's table of operations: a new operation is drawn the day it exists.
Needs Hypothesis: ``pip install 'pgmap[hypothesis]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pgmap import _core
from pgmap._draft import Draft
from pgmap._operations import HANDLES, Argument, by_word
from pgmap._operations import operations as table
from pgmap._options import ExploreOptions, Rules
from pgmap._search import explore
from pgmap._wishes import IDLE, Choice, Habit, Shape, Wish
from pgmap.build import Builder, text_of
from pgmap.errors import ProgramError
from pgmap.verdicts import Found, Verdict

try:
    from hypothesis import strategies as st

    from pgmap import _contention
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "pgmap.strategies needs Hypothesis: pip install 'pgmap[hypothesis]'", name=_error.name
    ) from None

__all__ = ["check", "eras", "operations", "programs", "rules", "worlds"]

THREADS, OPS = 3, 3
VOCABULARY = 4
"""Most words of one program: few that meet often find more than many that hardly do."""
SCHEDULES = 400
OF_HUNTS = 20
"""How much likelier a word of hunts is than another one: those meet on pages."""
SHAPES = (
    *[Shape(1)] * 4,
    *[Shape(4, "written", "huge")] * 2,
    Shape(1, "unwritten"),
    Shape(2),
    Shape(4),
    Shape(4, "unwritten", "huge"),
    Shape(8, "written", "huge"),
    Shape(8),
)
"""Files, the plain and small ones first: towards those it shrinks."""
FILLER, REST = Shape(8), Shape(4)
"""Files that fill a device, so that a freed block is used again at once."""
SMALL, HUGE = Shape(1), Shape(4, "written", "huge")
MET = (
    [SMALL],
    *[[SMALL, FILLER]] * 2,
    [HUGE],
    *[[HUGE, FILLER, REST]] * 2,
    [Shape(1, "unwritten"), FILLER],
)
"""Files on which workers meet."""
USES = (
    *[Habit(touch="w")] * 6,
    *[Habit()] * 3,
    Habit(touch="r"),
    Habit(touch="w", page=1),
    Habit(touch="w", align="odd"),
    Habit(touch="w", lets_go=True),
)
"""How workers map who are to meet: most of them at the same page, and have it."""
HOW_MANY = (1, *[2] * 6, *[3] * 3)
"""Workers, as often as they are drawn: races need two, and seldom more."""
FILES = (1, 1, 1, 2, 3)
STRUCTURE = ("start",)
"""Words of the environment that are about a program, and no operation in it."""


def programs(
    *,
    threads: int = THREADS,
    ops: int = OPS,
    words: Sequence[str] | None = None,
    setup: str | _core.Program | Builder | None = None,
    invalid: float = 0.0,
) -> st.SearchStrategy[_core.Program]:
    """Programs that make sense: each handle is there, each page is mapped, each file is open.

    At most `threads` workers (1 at least) do at most `ops` operations each behind ``start`` (1 at
    least). `words` are the operations to draw (`None`: all of them); what these need is made in the
    set-up, whatever it takes. With `setup`, a program without ``start``, that is the set-up, and
    nothing is added to it. `invalid` is the share of operations, 0 to 1, that may name what is
    gone, or pages beyond the end.

    Shrinks towards fewer workers, fewer operations, smaller files. `ProgramError` if `setup` is no
    program, `ValueError` if a word is no operation.
    """
    if threads < 1 or ops < 1:
        raise ValueError("a program has one worker and one operation at least")
    if not 0 <= invalid <= 1:
        raise ValueError(f"invalid is a share from 0 to 1, not {invalid}")
    _known(words)
    given = None if setup is None else _core.Program(text_of(setup)).text
    asked = None if words is None else tuple(words)
    return _programs(threads=threads, ops=ops, words=asked, setup=given, invalid=invalid)


@st.composite
def _programs(
    draw: st.DrawFn,
    *,
    threads: int,
    ops: int,
    words: tuple[str, ...] | None,
    setup: str | None,
    invalid: float,
) -> _core.Program:
    who = [n for n in HOW_MANY if n <= threads] + list(range(4, threads + 1))
    contends = invalid == 0 and bool(_contention.words(words)) and draw(_OFTEN)
    way = draw(_contended(ops, words) if contends else _anything(ops, words, setup, invalid))
    workers = [
        (draw(way.habit), draw(way.first), draw(way.body(n)), draw(st.booleans()))
        for n in range(draw(st.sampled_from(who)))
    ]
    env = _words("environment", words).flatmap(lambda word: _wish("environment", word, 0))
    seldom = st.just([]) if env.is_empty else st.lists(env, max_size=1)
    return _program(setup, [] if setup is not None else way.files, workers, draw(seldom))


@dataclass(frozen=True)
class Way:
    """A way to draw a program."""

    files: list[Shape]
    habit: st.SearchStrategy[Habit]
    first: st.SearchStrategy[list[Wish]]
    """What a worker does before ``start``."""
    body: Callable[[int], st.SearchStrategy[list[Wish]]]
    """What it does behind it, by the worker's number."""


@st.composite
def _anything(
    draw: st.DrawFn, ops: int, words: tuple[str, ...] | None, setup: str | None, invalid: float
) -> Way:
    """A few words, of any operation."""
    files = [draw(st.sampled_from(SHAPES)) for _ in range(draw(st.sampled_from(FILES)))]
    any_of = _words("worker", words)
    some = (
        [IDLE.word] if any_of.is_empty else draw(st.lists(any_of, min_size=2, max_size=VOCABULARY))
    )
    wish = st.sampled_from(some).flatmap(lambda word: _wish("worker", word, invalid))
    first = st.just([]) if setup is not None else st.lists(wish, max_size=2)
    return Way(files, _HABITS, first, lambda _: st.lists(wish, min_size=1, max_size=ops))


@st.composite
def _contended(draw: st.DrawFn, ops: int, words: tuple[str, ...] | None) -> Way:
    """Somebody who uses what there is, and others who take it away."""
    files = list(draw(st.sampled_from(MET)))
    parts = (_contention.USER, _contention.TAKER)
    body = [_contention.steps(part, ops, words) for part in parts]
    return Way(files, st.sampled_from(USES), st.just([]), lambda n: body[min(n, 1)])


def operations(
    words: Sequence[str] | None = None,
    *,
    after: str | _core.Program | Builder = "",
    worker: int | None = None,
    invalid: float = 0.0,
) -> st.SearchStrategy[str]:
    """Single steps, as text, that make sense after a program without ``start``.

    `words` are the operations to draw (`None`: all of a worker), `worker` who does them (`None`:
    any worker that does something in `after`, or worker 0). Draws nothing (`Unsatisfied`) where no
    operation of `words` makes sense.
    """
    _known(words)
    text = text_of(after)
    who = sorted(_core.Program(text).workers) or [0]
    workers = st.sampled_from(who) if worker is None else st.just(worker)
    some = _words("worker", None if words is None else tuple(words))
    wish = some.flatmap(lambda word: _wish("worker", word, invalid))
    return (
        st.builds(lambda n, wish: _step(text, n, wish), workers, wish)
        .filter(lambda step: step is not None)
        .map(str)
    )


def check(
    program: str | _core.Program | Builder,
    *,
    era: str = ExploreOptions.era,
    rules: Rules | None = None,
    preemptions: int = 1,
    schedules: int = SCHEDULES,
    memory: str = ExploreOptions.memory,
    speculative_tlb: bool = False,
    geometry: Mapping[str, int] | None = None,
) -> Verdict:
    """Search a drawn program, and raise `DoesNotHold` if it breaks and the rules are to blame.

    A deadlock that the program asks for, whatever the rules, is none: drawn programs ask for some.
    At most `schedules` executions with at most `preemptions` preemptions are run: a few
    milliseconds. What is found is not shrunk, for Hypothesis shrinks the program. The other
    arguments are those of `pgmap.explore`.
    """
    verdict = explore(
        program,
        era=era,
        rules=rules,
        preemptions=preemptions,
        schedules=schedules,
        memory=memory,
        speculative_tlb=speculative_tlb,
        geometry=geometry,
        strategy="bounds",
        shrink=False,
        threads=1,
    )
    if isinstance(verdict, Found) and verdict.finding.blame == "rules":
        verdict.assert_holds()
    return verdict


def eras() -> st.SearchStrategy[str]:
    """Names of eras, those that only sound rules are in first."""
    names = sorted((era["name"] for era in _core.facts()["eras"]), key=lambda n: "sound" not in n)
    return st.sampled_from(names)


def rules(*, most: int = 1) -> st.SearchStrategy[dict[str, str]]:
    """Rules that differ from those of the base era, at most so many, as `explore` takes them."""
    wrong = [
        (rule["name"], value["name"])
        for rule in _core.facts()["rules"]
        for value in rule["values"]
        if value["name"] != rule["base"]
    ]
    return st.lists(st.sampled_from(wrong), max_size=most, unique_by=lambda it: it[0]).map(dict)


def worlds(*, eras: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[_core.World]:
    """Worlds, of the default era if `eras` is not given, with small machines of several sizes."""
    sizes = st.fixed_dictionaries(
        {
            "pmd_order": st.sampled_from((2, 1, 3)),
            "gather_batch": st.sampled_from((2, 1, 4)),
            "pages": st.sampled_from((64, 256)),
            "file_pages_max": st.just(16),
            "dev_pages": st.just(8),
        }
    )
    era = st.just(ExploreOptions.era) if eras is None else eras
    return st.builds(_core.World, era=era, geometry=sizes)


# --- how it is drawn -----------------------------------------------------------------------------


@cache
def _words(who: str, words: tuple[str, ...] | None) -> st.SearchStrategy[str]:
    """Words of operations, those more often that meet on pages."""
    chosen = [
        word for word in by_word(who) if word not in STRUCTURE and (words is None or word in words)
    ]
    hunted = {word.operation for word in _contention.words(None)}
    weighted = [word for word in chosen for _ in range(OF_HUNTS if word in hunted else 1)]
    return st.sampled_from(weighted) if weighted else st.nothing()


@cache
def _wish(who: str, word: str, invalid: float) -> st.SearchStrategy[Wish]:
    """A step, before anybody knows what its worker has."""
    choices = st.tuples(*[_choice(argument) for argument in by_word(who)[word].arguments])
    if invalid == 0:
        return choices.map(lambda them: Wish(word, them))
    wild = st.integers(0, 999).map(lambda n: n >= 1000 - round(invalid * 1000))
    return st.builds(lambda them, w: Wish(word, them, w), choices, wild)


def _known(words: Sequence[str] | None) -> None:
    every = {word for op in table() for word in op.words}
    unknown = [word for word in words or () if word not in every]
    if unknown:
        raise ValueError(f"no operation is called {' or '.join(map(repr, unknown))}")


def _choice(argument: Argument) -> st.SearchStrategy[Choice]:
    choice = _required(argument)
    seldom = argument.optional and argument.role is None
    return (
        st.integers(0, 3).flatmap(lambda n: choice if n == 3 else st.none()) if seldom else choice
    )


def _required(argument: Argument) -> st.SearchStrategy[Any]:
    if argument.kind in HANDLES:
        return st.integers(0, 2)
    match argument.kind:
        case "file" | "name" | "openable":
            return st.sampled_from((0, 0, 0, 1, 2))
        case "words":
            return st.sampled_from(argument.words)
        case "page":
            return st.sampled_from((0, 0, 0, 0, 1, 2, 3, 5))
        case "pages":
            return st.sampled_from((1, 1, 1, 2, 4, 8))
        case "size":
            return st.sampled_from((0, 0, 1, 2, 4))
        case "part":
            return st.tuples(st.sampled_from((0, 1, 2, 3)), st.integers(1, 4))
        case "mount_point":
            return st.none()
        case "fd_number":
            return st.integers(3, 12)
        case "value" | "ticks":
            return st.integers(1, 3)
        case _:
            return st.integers(0, 2)


_HABITS = st.builds(
    Habit,
    file=st.sampled_from((0, 0, 0, 0, 1)),
    align=st.sampled_from(("natural", "natural", "natural", "odd")),
    touch=st.sampled_from(("w", "w", "w", "", "r")),
    page=st.sampled_from((0, 0, 0, 1)),
    lets_go=st.sampled_from((False, False, False, True)),
)

_OFTEN = st.sampled_from((False, True, True))

Drawn = tuple[Habit, list[Wish], list[Wish], bool]
"""What is drawn of a worker: its way, its steps before ``start`` and after, if it gives back."""


def _program(
    setup: str | None, files: list[Shape], workers: list[Drawn], env: list[Wish]
) -> _core.Program:
    """The program that was wished for, without wishes that its set-up or the model cannot do."""
    refused: set[int] = set()
    while True:
        draft = _drafted(setup, files, workers, env, refused)
        program = _core.Program(draft.text())
        line = _refused(program)
        cause = None if line is None else draft.cause(line)
        if cause is None or cause in refused:
            return program
        refused.add(cause)


def _drafted(
    setup: str | None,
    files: list[Shape],
    workers: list[Drawn],
    env: list[Wish],
    refused: set[int],
) -> Draft:
    draft = Draft()
    if setup is not None:
        draft.absorb(setup)
    draft.declare(files)
    draft.habits.update({n: habit for n, (habit, *_) in enumerate(workers)})
    for number, (_, first, _, _) in enumerate(workers):
        draft.wish(number, first, refused, before=True)
    for number, (_, _, body, gives_back) in enumerate(workers):
        draft.wish(number, body, refused)
        if gives_back:
            draft.give_back(number)
    if not draft.body:
        draft.add(0, IDLE)
    draft.wish(None, env, refused)
    return draft


def _refused(program: _core.Program) -> int | None:
    """The line that cannot be run: set-up that fails, or what the model lacks."""
    try:
        explore(program, preemptions=0, schedules=1, strategy="bounds", shrink=False, threads=1)
    except ProgramError as error:
        return error.line
    return None


def _step(text: str, worker: int, wish: Wish) -> str | None:
    draft = Draft()
    draft.absorb(text)
    line = draft.add(worker, wish)
    return None if line is None else line.text()
