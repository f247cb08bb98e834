"""``python -m thorough.hunted_races``: does a hunt find each race of the catalogue, from all words?

What ``python -m pgmap.explore --hunt all`` finds under the wrong rules of each race that a program
shows, with nobody to write one. A row for each: in how many of the seeds it was found, within how
many programs and seconds (of the processor, until it failed), and which invariant was broken, which
need not be the race's own: a wrong rule can show in more than one way. With ``--log FILE`` each
hunt is a line of JSON there once it is over, and what the file has already is not hunted again.
docs/drawn.md has a table.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import children
from pgmap._core_api import core
from pgmap._core_facts import KnownRule
from pgmap.strategies import enough
from thorough.kept import Kept

SEEDS, PROGRAMS = 10, 100_000
PATIENCE = 4 * 3600.0
"""Seconds that are never needed."""


@dataclass(frozen=True)
class Hunted:
    """What one hunt came to."""

    race: str
    seed: int
    invariant: str | None
    """The broken one; None if none of the programs failed."""
    programs: int
    drawn: int
    """How many of them were drawn; the others stand in order, shortest first."""
    processor: float
    """Seconds of it until a program failed, what failed not shrunk."""


def hunt(race: KnownRule, seed: int, programs: int) -> Hunted:
    """Let a hunt look for a race, on one thread, in so many programs at most."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pgmap.explore", *arguments(race, seed, programs)]
    ran = children.run(command, timeout=PATIENCE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode not in (0, 1, 6):
        raise SystemExit(f"{race['name']}: {ran.stderr.strip()}")
    told = json.loads(ran.stdout)
    found = told["found"]
    return Hunted(
        race["name"],
        seed,
        None if found is None else found["finding"]["invariant"],
        told["programs"],
        told["drawn"],
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


def arguments(race: KnownRule, seed: int, programs: int) -> list[str]:
    """Of the command line of ``pgmap.explore``."""
    preemptions = max(1, race["preemptions"])
    breaks = [word for rule, value in race["wrong"] for word in ("--break", f"{rule}={value}")]
    return [
        *("--hunt", "all", "--era", race["era"], *breaks, "--memory", race["needs"]),
        *(["--speculative-tlb"] if race["tlb"] == "speculative" else []),
        *("--preemptions", str(preemptions), "--schedules", str(enough(preemptions))),
        *(
            "--threads",
            "1",
            "--seed",
            str(seed),
            "--programs",
            str(programs),
            "--no-shrink",
            "--quiet",
        ),
        *("--json", "-"),
    ]


def row(name: str, hunted: Sequence[Hunted]) -> str:
    """A line of the table."""
    seen = [one for one in hunted if one.invariant is not None]
    cells = [name, f"{len(seen)} of {len(hunted)}"]
    if seen:
        broken = sorted({one.invariant for one in seen if one.invariant is not None})
        cells += [
            f"{statistics.median(one.programs for one in seen):.0f}",
            f"{statistics.median(one.drawn for one in seen):.0f}",
            f"{statistics.median(one.processor for one in seen):.1f}",
            " ".join(broken),
        ]
    else:
        cells += ["", "", "", ""]
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a race was found in no seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how often each is hunted")
    parser.add_argument("--programs", type=int, default=PROGRAMS, help="most of one hunt")
    parser.add_argument("--log", type=Path, help="where what was hunted is kept")
    parser.add_argument("races", nargs="*", help="which; all that a program shows if none")
    args = parser.parse_args(argv)
    kept = Kept(Hunted, args.log)
    missed = False
    print("| race | found | programs | drawn | seconds | broken |\n|---|---|---|---|---|---|")
    for race in core().catalogue()["known"]:
        name = race["name"]
        breaks_nothing = race["invariant"] is None
        if breaks_nothing or (args.races and name not in args.races):
            continue
        find = partial(hunt, race, programs=args.programs)
        hunted = list(kept.each(name, args.seeds, find))
        print(row(name, hunted), flush=True)
        missed = missed or all(one.invariant is None for one in hunted)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
