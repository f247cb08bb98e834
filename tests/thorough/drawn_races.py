"""``python -m thorough.drawn_races``: does Hypothesis alone find each race of the catalogue?

Nobody writes a program: one is drawn, its interleavings are searched, and what fails is shrunk. A
row for each race that a program shows: in how many of the seeds it was found, after how many
programs and seconds (of the wall, and of the processor), and how large the shrunk program was. Ends
with 1 if one is too large. The budget of each search grows when many programs have held: a few
schedules of many programs come first, for most races show in a few.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import HealthCheck, find, settings
from hypothesis.errors import NoSuchExample

from pgmap import Program, strategies
from pgmap._core_api import core
from pgmap._core_facts import KnownRule
from pgmap.errors import DoesNotHold

WORKERS, OPERATIONS = 3, 6
"""Most of a shrunk program, behind ``start``."""
SEEDS, PROGRAMS = 10, 3000


@dataclass(frozen=True)
class Drawn:
    """What one seed came to."""

    program: Program | None
    """The shrunk one; None if no drawn program failed."""
    programs: int
    """Drawn until the first failure."""
    seconds: float
    """Until it was shrunk."""
    processor: float
    """Of these."""

    @property
    def size(self) -> tuple[int, int]:
        """Workers and operations behind ``start``."""
        assert self.program is not None
        steps = list(self.program.steps)
        behind = steps[[step.text for step in steps].index("start") + 1 :]
        return len({step.worker for step in behind} - {None}), len(behind)


def draw(race: KnownRule, seed: int, most: int = PROGRAMS) -> Drawn:
    """Let Hypothesis look for a race, with a seed, in so many programs at most."""
    started, worked = time.monotonic(), time.process_time()
    programs, first = 0, 0

    def fails(program: Program) -> bool:
        nonlocal programs, first
        programs += 1
        try:
            strategies.check(
                program,
                era=race["era"],
                rules={rule: value for rule, value in race["wrong"]},
                preemptions=max(1, race["preemptions"]),
                memory=race["needs"],
                speculative_tlb=race["tlb"] == "speculative",
            )
        except DoesNotHold:
            first = first or programs
            return True
        return False

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
    spent = time.monotonic() - started, time.process_time() - worked
    return Drawn(program, first or programs, *spent)


def row(race: KnownRule, drawn: Sequence[Drawn]) -> str:
    """A line of the table."""
    seen = [one for one in drawn if one.program is not None]
    line = f"{race['name']:24} {len(seen):3} of {len(drawn)}"
    if not seen:
        return line
    programs = statistics.median(one.programs for one in seen)
    seconds = statistics.median(one.seconds for one in seen)
    processor = statistics.median(one.processor for one in seen)
    workers, operations = (max(sizes) for sizes in zip(*(one.size for one in seen), strict=True))
    size = f"{workers} workers, {operations} operations"
    return f"{line}  {programs:7.0f}  {seconds:6.1f} s  {processor:7.1f} s  {size}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how often each is looked for")
    parser.add_argument("races", nargs="*", help="which; all that a program shows if none")
    args = parser.parse_args(argv)
    large = 0
    print(f"{'race':24} {'found':>9}  {'median':>7}  {'shrunk':>8}  {'processor':>9}  largest")
    for race in core().catalogue()["known"]:
        if args.races and race["name"] not in args.races:
            continue
        drawn = [draw(race, seed) for seed in range(1, args.seeds + 1)]
        print(row(race, drawn), flush=True)
        sizes = [one.size for one in drawn if one.program is not None]
        large += sum(workers > WORKERS or operations > OPERATIONS for workers, operations in sizes)
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
