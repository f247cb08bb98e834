"""``python -m thorough.drawn_races``: does Hypothesis alone find each race of the catalogue?

Nobody writes a program: one is drawn, its interleavings are searched, and what fails is shrunk. A
row for each race that a program shows: in how many of the seeds it was found, after how many
programs and seconds (of the processor, until it was shrunk), and how large the largest shrunk
program was. What fails under the right rules, too, shows nothing of the race: it is no find, and
told. Ends with 1 if there is such a program, or one is too large. With ``--log FILE`` each seed is
a line of JSON there once it is over, and what the file has already is not drawn again: so hours can
be cut in pieces.
docs/drawn.md has a table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, find, settings
from hypothesis.errors import NoSuchExample

from pgmap import Program, strategies
from pgmap._core_api import core
from pgmap._core_facts import KnownRule
from pgmap.errors import DoesNotHold, ProgramError
from thorough.kept import Kept

WORKERS, OPERATIONS = 3, 6
"""Most of a shrunk program, behind ``start``."""
SEEDS, PROGRAMS = 10, 3000


@dataclass(frozen=True)
class Drawn:
    """What one seed came to."""

    race: str
    seed: int
    program: str | None
    """The shrunk one; None if no drawn program failed."""
    programs: int
    """Drawn until the first failure."""
    processor: float
    """Seconds of it until it was shrunk."""
    strange: str | None
    """A program that fails under the right rules, too."""

    @property
    def size(self) -> tuple[int, int]:
        """Workers and operations behind ``start``."""
        assert self.program is not None
        steps = list(Program(self.program).steps)
        behind = steps[[step.text for step in steps].index("start") + 1 :]
        return len({step.worker for step in behind} - {None}), len(behind)


def draw(race: KnownRule, seed: int, most: int = PROGRAMS) -> Drawn:
    """Let Hypothesis look for a race, with a seed, in so many programs at most."""
    started = time.process_time()
    programs, first = 0, 0
    strange: str | None = None

    def fails(program: Program) -> bool:
        nonlocal programs, first, strange
        programs += 1
        if not breaks(program, race, race["wrong"]):
            return False
        if breaks(program, race, race["right"]):
            strange = program.text
            return False
        first = first or programs
        return True

    quiet = settings(
        max_examples=most,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    program: Program | None
    try:
        program = find(strategies.programs(), fails, settings=quiet, random=Random(seed))
    except NoSuchExample:
        program = None
    text = None if program is None else program.text
    taken = time.process_time() - started
    return Drawn(race["name"], seed, text, first or programs, taken, strange)


def breaks(program: Program, race: KnownRule, rules: Sequence[tuple[str, str]]) -> bool:
    """Whether a program breaks under these rules, searched as far as the race needs."""
    try:
        strategies.check(
            program,
            era=race["era"],
            rules=dict(rules),
            preemptions=max(1, race["preemptions"]),
            memory=race["needs"],
            speculative_tlb=race["tlb"] == "speculative",
            geometry=race["sizes"],
        )
    except DoesNotHold:
        return True
    except ProgramError:
        return False  # under these rules the set-up waits for ever, and nothing follows it
    return False


def row(name: str, drawn: Sequence[Drawn]) -> str:
    """A line of the table."""
    seen = [one for one in drawn if one.program is not None]
    cells = [name, f"{len(seen)} of {len(drawn)}"]
    if seen:
        workers, operations = (max(sizes) for sizes in zip(*(it.size for it in seen), strict=True))
        cells += [
            f"{statistics.median(one.programs for one in seen):.0f}",
            f"{statistics.median(one.processor for one in seen):.1f}",
            f"{workers}, {operations}",
        ]
    else:
        cells += ["", f"{statistics.median(one.processor for one in drawn):.1f}", ""]
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how often each is looked for")
    parser.add_argument("--programs", type=int, default=PROGRAMS, help="most programs each time")
    parser.add_argument("--log", type=Path, help="where what was drawn is kept")
    parser.add_argument("races", nargs="*", help="which; all that a program shows if none")
    args = parser.parse_args(argv)
    kept = Kept(Drawn, args.log)
    large, strange = 0, set[str]()
    print("| race | found | programs | seconds | workers, operations |\n|---|---|---|---|---|")
    for race in core().catalogue()["known"]:
        name = race["name"]
        breaks_nothing = race["invariant"] is None
        if breaks_nothing or (args.races and name not in args.races):
            continue
        drawn = list(kept.each(name, args.seeds, partial(draw, race, most=args.programs)))
        print(row(name, drawn), flush=True)
        sizes = [one.size for one in drawn if one.program is not None]
        strange |= {one.strange for one in drawn if one.strange is not None}
        large += sum(workers > WORKERS or operations > OPERATIONS for workers, operations in sizes)
    for program in sorted(strange):
        print(f"fails under the right rules, too:\n{program}")
    return 1 if large or strange else 0


if __name__ == "__main__":
    sys.exit(main())
