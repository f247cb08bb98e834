"""``python -m thorough.never_flaky``: a drawn failure fails again, and first the next time.

A hundred times a test of drawn programs is run under a wrong rule until it fails, each time with
luck and a database of its own (with a seed Hypothesis keeps nothing), and then once more with the
same database. Hypothesis calls a test flaky whose failure does not come back when it is replayed or
shrunk: that must never be said. And what the database kept must be what the second run tries first,
and fails with. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky

from pgmap import Program, strategies
from pgmap._core_api import core
from pgmap._core_facts import KnownRule
from pgmap.errors import DoesNotHold

RUNS, EXAMPLES = 100, 300


@dataclass(frozen=True)
class Ran:
    """What a run of the test came to."""

    end: str
    """``failed``, ``flaky``, or ``passed``: no drawn program failed."""
    tried: tuple[str, ...]
    """The programs, in order."""


def run(race: KnownRule, database: str, examples: int) -> Ran:
    """Run the test once."""
    tried: list[str] = []

    @settings(
        max_examples=examples,
        database=DirectoryBasedExampleDatabase(database),
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.programs())
    def holds(program: Program) -> None:
        tried.append(program.text)
        strategies.check(program, era=race["era"], rules=dict(race["wrong"]))

    try:
        holds()
    except DoesNotHold:
        return Ran("failed", tuple(tried))
    except Flaky:
        return Ran("flaky", tuple(tried))
    return Ran("passed", tuple(tried))


def twice(race: KnownRule, examples: int) -> str:
    """Run it until it fails, and again; in a word, what that showed."""
    with tempfile.TemporaryDirectory() as database:
        first = run(race, database, examples)
        if first.end != "failed":
            return first.end
        again = run(race, database, examples)
    if again.end != "failed":
        return f"{again.end} the second time"
    # The last thing a failing run does is to show the shrunk program once more.
    return "replayed" if again.tried[0] == first.tried[-1] else "not the first"


def main(argv: Sequence[str] | None = None) -> int:
    """Print how often what was shown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="most programs each time")
    parser.add_argument("races", nargs="*", help="which; all that a program shows in turns if none")
    args = parser.parse_args(argv)
    known = [race for race in core().catalogue()["known"] if race["needs"] == "sc"]
    chosen = [race for race in known if not args.races or race["name"] in args.races]
    told: Counter[str] = Counter()
    for nth in range(args.runs):
        race = chosen[nth % len(chosen)]
        word = twice(race, args.examples)
        told[word] += 1
        print(f"{nth + 1:4} {race['name']:24} {word}", flush=True)
    print(", ".join(f"{times} {word}" for word, times in sorted(told.items())))
    return 1 if set(told) - {"replayed", "passed"} else 0


if __name__ == "__main__":
    sys.exit(main())
