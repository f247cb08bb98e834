"""``python -m thorough.stressed_races``: which races of the catalogue do real threads meet?

Two ways for each race that a program shows, each for so many seconds: ``python -m pgmap.stress
--race NAME``, which draws its operations, and the race's own program, on threads over and over. A
row says when each saw something, by which invariant, and a dash where it saw nothing. What a
program's steps come to if somebody sleeps for ever is not a broken invariant on threads, so that a
race whose failure is a sleep counts as met when a worker is left asleep. With ``--log FILE`` each
race is a line of JSON there once it is over, and what the file has already is not run again.
docs/drawn.md has a table.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import children
from pgmap import strategies
from pgmap._core_api import core
from pgmap._core_facts import KnownRule
from pgmap.errors import DoesNotHold, HangDetected, WorldPoisoned
from thorough.kept import Kept

SECONDS = 60.0
GRACE = 120.0
"""More seconds than a run takes to end."""
SLEEPS = ("I19", "I20", "L1", "L2", "L4")
"""What breaks if somebody sleeps for ever."""


@dataclass(frozen=True)
class Stressed:
    """What threads saw of one race."""

    race: str
    seed: int
    mix: float | None
    """Seconds until the drawn operations met something; None if they did not."""
    mix_broken: str | None
    runs: int
    """Of the program, until one met something, or in all."""
    program: float | None
    """Seconds until a run of the program met something; None if none did."""
    program_broken: str | None


def drawn(race: KnownRule, seed: int, seconds: float) -> tuple[float, str] | None:
    """When threads that draw their operations met something, and what it broke."""
    command = [sys.executable, "-m", "pgmap.stress", "--race", race["name"], "--seed", str(seed)]
    command += ["--for", f"{seconds:g}s", "--no-explain", "--json", "-", "--progress", "none"]
    ran = children.run(command, timeout=seconds + GRACE)
    if ran.returncode not in (0, 1, 4, 6):
        raise SystemExit(f"{race['name']}: {ran.returncode}: {ran.stderr.strip()}")
    told = json.loads(ran.stdout)
    if told["violations"]:
        first = told["violations"][0]
        return first["seconds"], first["invariant"]
    return None if told["hang"] is None else (told["seconds"], "a sleep")


def own(race: KnownRule, seconds: float) -> tuple[int, tuple[float, str] | None]:
    """How often its program ran on threads, and when it met what."""
    started, runs = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        runs += 1
        try:
            told = strategies.on_threads(
                race["program"],
                era=race["era"],
                rules=dict(race["wrong"]),
                geometry=race["sizes"],
            )
        except DoesNotHold as broken:
            seen = re.search(r"\b(?:I\d\d(?:-\w+)?|L\d)\b", str(broken))
            return runs, (passed, seen[0] if seen else "the books")
        except (HangDetected, WorldPoisoned):
            return runs, (passed, "a call without an end")
        if race["invariant"] in SLEEPS and "waits" in told:
            return runs, (passed, "a sleep")
    return runs, None


def row(one: Stressed) -> str:
    """A line of the table."""
    mix = "-" if one.mix is None else f"{one.mix:.1f} s, {one.mix_broken}"
    told = "-" if one.program is None else f"{one.program:.1f} s, {one.program_broken}"
    return f"| {one.race} | {mix} | {told} | {one.runs} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, and how many were met; 1 if fewer than two thirds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each way of each race")
    parser.add_argument("--log", type=Path, help="where what was run is kept")
    parser.add_argument("races", nargs="*", help="which; all that a program shows if none")
    args = parser.parse_args(argv)
    kept = Kept(Stressed, args.log)
    met = all_told = 0
    print("| race | drawn operations | its program | runs |\n|---|---|---|---|")
    for race in core().catalogue()["known"]:
        if race["invariant"] is None or (args.races and race["name"] not in args.races):
            continue

        def find(seed: int, race: KnownRule = race) -> Stressed:
            mix, mix_broken = drawn(race, seed, args.seconds) or (None, None)
            runs, met_by_own = own(race, args.seconds)
            program, program_broken = met_by_own or (None, None)
            return Stressed(race["name"], seed, mix, mix_broken, runs, program, program_broken)

        (one,) = kept.each(race["name"], 1, find)
        print(row(one), flush=True)
        all_told += 1
        met += one.mix is not None or one.program is not None
    print(f"\n{met} of {all_told} met.")
    return int(3 * met < 2 * all_told)


if __name__ == "__main__":
    sys.exit(main())
