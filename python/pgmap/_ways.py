"""How a program is drawn: its files, its workers, and what each of them does.

Most programs are about workers who meet (`pgmap._contention`); some are of a few words of any
operation, with any arguments. Either way what is drawn are wishes, and a `Draft` makes the program
of them: what a step needs is made in the set-up, and what the set-up or the model refuses is left
out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeAlias

from hypothesis import strategies as st

from pgmap import _contention, _core
from pgmap._contention import Ground
from pgmap._draft import Draft
from pgmap._operations import HANDLES, Argument, by_word
from pgmap._search import explore
from pgmap._wishes import IDLE, SHARES, Choice, Habit, Shape, Wish
from pgmap.errors import ProgramError

VOCABULARY = 4
"""Most words of one program: few that meet often find more than many that hardly do."""
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


@dataclass(frozen=True, slots=True)
class Scene:
    """Where workers meet."""

    ground: Ground
    files: tuple[Shape, ...] = ()
    folio: int = 1
    """Pages of a folio of the driver's own memory that is there before ``start``."""
    first: tuple[Wish, ...] = ()
    """What the first worker does before ``start``."""
    children: bool = False
    """Whether the others are children of the first one, from after that on."""
    apart: bool = False
    """Whether each worker maps a file of its own."""


SHARE = Wish(SHARES, (1, 0))
ANON, ANONHUGE = Wish("anon", (0, 2)), Wish("anonhuge", (0, 4))
TOUCH, TO_DEVICE = Wish("w", (0, 0, None)), Wish("hmm_todev", (0, 0, 0, 1))
SCENES = (
    Scene(Ground.FILES, (SMALL,)),
    *[Scene(Ground.FILES, (SMALL, FILLER))] * 3,
    Scene(Ground.FILES, (HUGE,)),
    *[Scene(Ground.FILES, (HUGE, FILLER, REST))] * 3,
    *[Scene(Ground.FILES, (Shape(1, "unwritten"), FILLER))] * 2,
    Scene(Ground.SHARED, (SMALL, SMALL), first=(SHARE,), apart=True),
    Scene(Ground.DRIVER),
    Scene(Ground.DRIVER, folio=2),
    Scene(Ground.ANONYMOUS, first=(ANON, TOUCH, TO_DEVICE), children=True),
    Scene(Ground.ANONYMOUS, first=(ANONHUGE, TOUCH), children=True),
)
"""Files that fill a device or share a block, memory of its own, and memory of processes."""
USES = (
    *[Habit(touch="w")] * 6,
    *[Habit()] * 3,
    Habit(touch="r"),
    Habit(touch="w", page=1),
    Habit(touch="w", align="odd"),
    Habit(align="odd"),
    Habit(touch="w", lets_go=True),
)
"""How workers map who are to meet: most of them at the same page, and have it."""
OPENS = (False, False, True)
"""Whether they do so through a descriptor."""
HOW_MANY = (1, *[2] * 8, 3)
"""Workers, as often as they are drawn: races need two, and seldom more."""
PARTS = (*[_contention.TAKER] * 3, _contention.USER)
"""What the second worker and those behind it begin with; the first one uses what it has."""
FILES = (1, 1, 1, 2, 3)
REMEMBERED = 10_000
"""Programs of which it is known that they run: many choices come to the same one."""
STRUCTURE = ("start",)
"""Words of the environment that are about a program, and no operation in it."""


class End(Enum):
    """What a worker does last."""

    NOTHING = 0
    GIVES_BACK = 1
    """It gives back what nobody else can: its pins, and by leaving what is in its pipes."""
    LEAVES = 2
    """It exits, which gives back all that it has, each kind in its turn."""


ENDS = (*[End.NOTHING] * 3, *[End.GIVES_BACK] * 3, End.LEAVES)

Worker: TypeAlias = "tuple[Habit, list[Wish], list[Wish], End]"
"""What is drawn of a worker: its way, its steps before ``start`` and after, its end."""


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    threads: int,
    ops: int,
    words: tuple[str, ...] | None,
    setup: str | None,
    invalid: float,
) -> _core.Program:
    """Any program that makes sense, under a set-up that is given or one of its own."""
    many = draw(_how_many(threads))
    if invalid == 0 and _contention.words(words) and draw(_MEETS):
        scene, env = draw(_SCENES), list[Wish]()
        known = _contention.words(words, ground=scene.ground)
        workers = [_who_meets(draw, n, ops, known) for n in range(many)]
    else:
        scene, workers, env = draw(_anything(many, ops, words, setup, invalid))
    return _program(setup, scene, workers, env)


@cache
def _how_many(threads: int) -> st.SearchStrategy[int]:
    return st.sampled_from([n for n in HOW_MANY if n <= threads] + list(range(4, threads + 1)))


_MEETS = st.sampled_from((False, *[True] * 31))
"""Hypothesis makes five more examples of each that is about anything (see `_contention`)."""
_SCENES = st.sampled_from(SCENES)


def _who_meets(draw: st.DrawFn, n: int, ops: int, known: tuple[_contention.Word, ...]) -> Worker:
    """Somebody who uses what there is, or takes it away."""
    habit, part, end = draw(_of_worker(n))[1:]
    return habit, [], _contention.steps(draw, n, part, ops, known), end


@cache
def _of_worker(n: int) -> st.SearchStrategy[tuple[int, Habit, int, End]]:
    habits = [replace(habit, opens=opens) for opens in OPENS for habit in USES]
    parts = (_contention.USER,) if n == 0 else PARTS
    return st.sampled_from([(n, it, part, end) for it in habits for part in parts for end in ENDS])


@st.composite
def _anything(
    draw: st.DrawFn,
    many: int,
    ops: int,
    words: tuple[str, ...] | None,
    setup: str | None,
    invalid: float,
) -> tuple[Scene, list[Worker], list[Wish]]:
    """A few words, of any operation, and perhaps one of the environment."""
    files = [draw(st.sampled_from(SHAPES)) for _ in range(draw(st.sampled_from(FILES)))]
    any_of = words_of("worker", words)
    some = (
        [IDLE.word] if any_of.is_empty else draw(st.lists(any_of, min_size=2, max_size=VOCABULARY))
    )
    one = st.sampled_from(some).flatmap(lambda word: wish("worker", word, invalid))
    first = st.just([]) if setup is not None else st.lists(one, max_size=2)
    body = st.lists(one, min_size=1, max_size=ops)
    workers = [(draw(_HABITS), draw(first), draw(body), draw(_ENDS)) for _ in range(many)]
    env = words_of("environment", words).flatmap(lambda word: wish("environment", word, 0))
    seldom = st.just([]) if env.is_empty else st.lists(env, max_size=1)
    return Scene(Ground.FILES, tuple(files)), workers, draw(seldom)


_ENDS = st.sampled_from(ENDS)
_HABITS = st.builds(
    Habit,
    file=st.sampled_from((0, 0, 0, 0, 1)),
    align=st.sampled_from(("natural", "natural", "natural", "odd")),
    touch=st.sampled_from(("w", "w", "w", "", "r")),
    page=st.sampled_from((0, 0, 0, 1)),
    lets_go=st.sampled_from((False, False, False, True)),
    opens=st.sampled_from((False, False, False, True)),
)


# --- operations ----------------------------------------------------------------------------------


@cache
def words_of(who: str, words: tuple[str, ...] | None) -> st.SearchStrategy[str]:
    """Words of operations, those more often that meet on pages."""
    known = [word for word in by_word(who) if word not in STRUCTURE]
    if words is None:
        chosen = [word for word in known if not _contention.is_a_protocol(word)]
    else:
        chosen = [word for word in known if word in words]
    hunted = {word.operation for word in _contention.words(None) if word.hunted}
    weighted = [word for word in chosen for _ in range(OF_HUNTS if word in hunted else 1)]
    return st.sampled_from(weighted) if weighted else st.nothing()


@cache
def wish(who: str, word: str, invalid: float) -> st.SearchStrategy[Wish]:
    """A step, before anybody knows what its worker has."""
    choices = st.tuples(*[_choice(argument) for argument in by_word(who)[word].arguments])
    if invalid == 0:
        return choices.map(lambda them: Wish(word, them))
    wild = st.integers(0, 999).map(lambda n: n >= 1000 - round(invalid * 1000))
    return st.builds(lambda them, w: Wish(word, them, w), choices, wild)


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


# --- programs ------------------------------------------------------------------------------------


def _program(
    setup: str | None, scene: Scene, workers: list[Worker], env: list[Wish]
) -> _core.Program:
    """The program that was wished for, without wishes that are no program or cannot be run."""
    refused: set[int] = set()
    while True:
        draft = _drafted(setup, scene, workers, env, refused)
        try:
            program = _core.Program(draft.text())
            _tried(program.text)
        except ProgramError as error:
            cause = draft.cause(error.line)
            if cause == 0 or cause in refused:
                raise
            refused.add(cause)
        else:
            return program


def _drafted(
    setup: str | None,
    scene: Scene,
    workers: list[Worker],
    env: list[Wish],
    refused: set[int],
) -> Draft:
    draft = Draft(folio=scene.folio)
    if setup is not None:
        draft.absorb(setup)
    else:
        draft.declare(scene.files)
    habits = {n: habit for n, (habit, *_) in enumerate(workers)}
    if scene.apart:
        habits = {n: replace(it, file=n % len(scene.files)) for n, it in habits.items()}
    draft.habits.update(habits)
    if setup is None:
        children = range(1, len(workers)) if scene.children else ()
        forks = [Wish("fork", (str(n),)) for n in children]
        draft.wish(0, [*scene.first, *forks], refused, before=True)
    for number, (_, first, _, _) in enumerate(workers):
        draft.wish(number, first, refused, before=True)
    for number, (_, _, body, end) in enumerate(workers):
        draft.wish(number, body, refused)
        if end is not End.NOTHING:
            draft.end(number, refused, leaves=end is End.LEAVES)
    draft.now = 0
    if not draft.body:
        draft.add(0, IDLE)
    draft.wish(None, env, refused)
    return draft


@lru_cache(maxsize=REMEMBERED)
def _tried(program: str) -> None:
    """Complain of set-up that fails, and of what the model lacks."""
    explore(program, preemptions=0, schedules=1, strategy="bounds", shrink=False, threads=1)
