"""A program on real threads: each worker's steps on one of its own, and a look where they join.

Nothing is drawn or repeated here: which interleaving runs is the machine's affair. What a World
checks on threads it checks (shadows of frames, counts, free lists); whether a result is one that
the program can have, `pgmap.outcomes` knows.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from pgmap import _core
from pgmap._operations import STARTS, by_word, read, written
from pgmap._options import ExploreOptions, Rules
from pgmap._outcomes import NOT_BEGUN
from pgmap.build import Builder, text_of
from pgmap.errors import DoesNotHold, FatalSignal, KernelError, ProgramError, WorldClosed

SIZES = {"pmd_order": 2, "gather_batch": 2, "pages": 64, "dev_pages": 8, "file_pages_max": 16}
"""Of the machine: as small as those that drawn programs are explored on."""
WAITS = "waits"
LOOK_AGAIN = 0.0005
"""Seconds until it is looked again whether everybody sleeps; nothing depends on it."""


class Walk:
    """The steps of one worker on a thread, and what each came to."""

    def __init__(self, world: _core.World, worker: int, steps: list[str], crew: Crew) -> None:
        self.world, self.worker, self.steps, self.crew = world, worker, steps, crew
        self.results: list[str] = []
        self.failure: BaseException | None = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            for step in self.steps:
                self.results.append(came_to(self.world, step))
                _, word, given = read(step)
                if word in STARTS and self.results[-1].isdecimal():
                    self.crew.begin(int(given[0] or 0))
        except WorldClosed:  # it was asleep when the others had joined
            pass
        except BaseException as failure:  # handed to whoever started it
            self.failure = failure
        finally:
            self.over.set()

    def goes_on(self) -> bool:
        """Whether it has begun and is not over."""
        return self.thread.ident is not None and not self.over.is_set()

    def told(self) -> list[str]:
        """Results of all its steps; of the one that it sleeps in, and of those behind, too."""
        left = len(self.steps) - len(self.results)
        first = NOT_BEGUN if self.thread.ident is None else WAITS
        return [*self.results, *[first, *[NOT_BEGUN] * left][:left]]


class Crew:
    """All workers of a program."""

    def __init__(self, world: _core.World, bodies: Mapping[int, list[str]]) -> None:
        self.world = world
        self.walks = {who: Walk(world, who, steps, self) for who, steps in bodies.items()}

    def start(self) -> None:
        """All begin, but those that others start."""
        forks = (read(step) for walk in self.walks.values() for step in walk.steps)
        forked = {int(given[0] or 0) for _, word, given in forks if word in STARTS}
        here = sorted(set(self.walks) - forked)
        for worker in here:
            came_to(self.world, f"w{worker} spawn")
        for worker in here:
            self.begin(worker)

    def begin(self, worker: int) -> None:
        """A worker that is there from now on, if it does anything, does its steps."""
        if worker in self.walks:
            self.walks[worker].thread.start()

    def join(self) -> bool:
        """Wait until all have done their steps, or those that have not sleep; if all have."""
        while walks := [walk for walk in self.walks.values() if walk.goes_on()]:
            asleep = all(self.world.asleep(walk.worker) is not None for walk in walks)
            if asleep and self.world.settled():
                return False
            walks[0].over.wait(LOOK_AGAIN)
        for walk in self.walks.values():
            if walk.failure is not None:
                raise walk.failure
        return True


def on_threads(
    program: str | _core.Program | Builder,
    *,
    era: str = ExploreOptions.era,
    rules: Rules | None = None,
    geometry: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """Run `program` once on real threads, one for each worker, and look at it when they join.

    What stands before ``start`` is done first. Returns what each step behind it came to, in the
    order of `pgmap.Outcomes`: a value, an errno, a signal, ``waits`` or ``not begun``. Steps of the
    environment there are done by nobody. `rules` changes rules of `era`, `geometry` sizes of a
    small machine.

    `DoesNotHold` if an invariant was seen broken, or if the books do not balance once everybody has
    let go and left. `ProgramError` if a step of the set-up fails.
    """
    told = _core.Program(text_of(program))
    steps = [(step.worker, step.text) for step in told.steps]
    at = steps.index((None, "start")) if (None, "start") in steps else len(steps)
    bodies: dict[int, list[str]] = {}
    for who, step in steps[at + 1 :]:
        if who is not None:
            bodies.setdefault(who, []).append(of_any_world(step))
    sizes = {**SIZES, **(geometry or {})}
    with _core.World(era=era, rules=dict(rules or {}), geometry=sizes) as world:
        set_up(world, told, steps[:at])
        crew = Crew(world, bodies)
        crew.start()
        joined = crew.join()
        broken = list(map(str, world.violations()))
        if joined and not broken:
            broken = let_go(world, told)
    if broken:
        raise DoesNotHold("\n".join(["on threads:", *broken, told.text]))
    return tuple(it for worker in sorted(bodies) for it in crew.walks[worker].told())


def set_up(
    world: _core.World, program: _core.Program, steps: Sequence[tuple[int | None, str]]
) -> None:
    """Do what stands before ``start``."""
    lines = program.text.splitlines()
    declared = [line for line in lines if line.startswith(("file ", "driver "))]
    world.run(_core.Program("\n".join(declared)))
    for worker, step in steps:
        if worker is not None and " spawn" not in step:
            came_to(world, f"w{worker} spawn")
        result = came_to(world, step if worker is None else of_any_world(step))
        if result.isupper():
            raise ProgramError(lines.index(step) + 1, f"the set-up fails with {result}: {step}")


def of_any_world(step: str) -> str:
    """A step that does not say where the file system is mounted: a World has one, at its place."""
    worker, word, given = read(step)
    op = by_word("worker")[word]
    places = [argument.kind == "mount_point" for argument in op.arguments]
    texts = [None if place else text for place, text in zip(places, given, strict=True)]
    return f"w{worker} {written(op, word, texts)}"


def let_go(world: _core.World, program: _core.Program) -> list[str]:
    """Everybody gives back and leaves; what does not balance then."""
    world.complete_io()
    for worker in program.workers:
        came_to(world, f"w{worker} spawn")
        puts = ["drv_put", *(f"dev_put {page}" for page in range(world.geometry["dev_pages"]))]
        for put in puts:
            while came_to(world, f"w{worker} {put}") == "0":
                pass
    leaving = Crew(world, {worker: [f"w{worker} exit"] for worker in program.workers})
    leaving.start()
    leaving.join()
    return [*map(str, world.violations()), *world.quiescence()]


def came_to(world: _core.World, step: str) -> str:
    """What a step returns, or what it fails with."""
    try:
        return str(world.execute(step))
    except KernelError as error:
        return error.name
    except FatalSignal as death:
        return death.signal.name
