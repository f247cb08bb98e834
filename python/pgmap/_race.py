"""Entries of the catalogue of races: how one is named, found and told.

An entry is a file, ``pgmap/races/NAME.toml``; the core reads it. Here is what commands say of one.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence

from pgmap._cli import UsageError
from pgmap._core_facts import Catalogue, Race
from pgmap._words import counted

WIDTH = 100


def add_races(parser: argparse.ArgumentParser) -> None:
    """``--races``: a folder of more entries."""
    parser.add_argument(
        "--races", metavar="DIR", help="a folder of more races, a file NAME.toml each"
    )


def every(catalogue: Catalogue) -> list[Race]:
    """Every entry, those with a program first."""
    return [*catalogue["known"], *catalogue["not_on_x86"], *catalogue["not_shown"]]


def assignments(side: Sequence[tuple[str, str]]) -> str:
    """One side's rules: ``RULE=VALUE``, with blanks between."""
    return " ".join(f"{rule}={value}" for rule, value in side)


def wrong(race: Race) -> str:
    """What is wrong: rules, or the era itself."""
    return assignments(race["wrong"]) or race["era"]


def right(race: Race) -> str:
    """What is right: the era, and rules over it."""
    return " ".join(filter(None, (race["era"], assignments(race["right"]))))


def is_called(race: Race, asked: str) -> bool:
    """Whether a name, a number or ``RULE=VALUE`` is this race's."""
    return asked in (race["name"], assignments(race["wrong"])) or (asked.upper() == race["number"])


def find(races: Sequence[Race], asked: str) -> list[Race]:
    """The races of a name; several have one number where one mistake was made in several ways."""
    told = [race for race in races if is_called(race, asked)]
    if not told:
        raise UsageError(f"no race is called {asked!r}; python -m pgmap.races list names them")
    return told


def explore(race: Race) -> str:
    """The command line that explores it."""
    era = "" if race["era"].endswith("-sound") else f" --era {race['era']} --known"
    return (
        "python -m pgmap.explore"
        + era
        + "".join(f" --break {rule}={value}" for rule, value in race["wrong"])
    )


def needs(race: Race) -> list[str]:
    """What a run has to have for it to show."""
    told = []
    if race.get("needs") == "tso":
        told.append("x86's memory, where a store may be seen late (--memory tso)")
    if race.get("tlb") == "speculative":
        told.append("TLBs that load ahead (--speculative-tlb)")
    if race.get("grace_period"):
        told.append("a grace period that takes its time")
    return told


def paragraph(text: str, indent: str = "  ") -> Iterator[str]:
    """A text in lines."""
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def line(race: Race) -> str:
    """A race in a line of a list."""
    number = race["number"] or "-"
    return (
        f"{race['name']:22} {number:4} {race['kind']:11} {race['invariant'] or '-':10} "
        f"{race['title']}"
    )


def full(race: Race, sentences: dict[str, str]) -> Iterator[str]:
    """A race in full; `sentences` are those of the invariants."""
    number = f" ({race['number']})" if race["number"] else ""
    yield f"{race['name']}{number}, {race['kind']}: {race['title']}"
    yield from paragraph(f"{race['note'][0].upper()}{race['note'][1:]}.")
    yield ""
    yield from paragraph(race["teaches"])
    yield ""
    yield f"  wrong: {wrong(race)}"
    yield f"  right: {right(race)}"
    invariant = race["invariant"]
    if invariant is not None:
        yield from paragraph(f"breaks: {invariant} {sentences.get(invariant, '')}".rstrip())
    match race:
        case {"why": str() as why}:
            yield from paragraph(f"not shown: {why}")
        case {"models": list() as models}:
            yield "  not on x86; shown by loom: cargo test -p pgmap-mm-weak " + " ".join(models)
        case {"program": str() as program, "preemptions": int() as bound}:
            within = "found with" if invariant is not None else "searched with up to"
            yield f"  {within} {counted(bound, 'preemption')}, on {race['era']}'s rules"
            yield from (f"  needs: {need}" for need in needs(race))
            yield "  program:"
            yield from (f"      {step}" for step in program.splitlines())
            if race["wrong"]:
                yield f"  see it: {explore(race)}"
            yield f"  run it: python -m pgmap.races run {race['name']}"
    yield from (row for source in race["sources"] for row in paragraph(f"source: {source}"))
