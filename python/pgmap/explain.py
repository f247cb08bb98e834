"""``python -m pgmap.explain NAME...``: what a short name in an output stands for.

Invariants (``I20``, ``L3``), races (``B31``), rules and their values, eras, operations of the
program language, error numbers, sections of the kernel facts (``K§5.5``), and the words of a search
(``unseen share``). The core is asked for all but the last two; nothing is written down twice.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pgmap import _cli, _core_api, _language
from pgmap._cli import UsageError
from pgmap._core_facts import Catalogue, EraFact, Facts, KnownRaceFact, Race, RuleFact, StepFact
from pgmap._exit import Exit
from pgmap._glossary import GLOSSARY
from pgmap._objects import ExplainObject
from pgmap._output import Output
from pgmap._race import every as every_race
from pgmap._race import explore, wrong
from pgmap._sections import SECTIONS
from pgmap._signals import Signals
from pgmap._weak import sentence

WIDTH = 100
LACKING = "operation that the model lacks"
_SECTION = re.compile(r"(?:K§?|§)(\d+(?:\.\d+)?)", re.IGNORECASE)
_RACE = re.compile(r"B\d+")
_NUMBERED = re.compile(r"([IL])0*(\d+)(-\w+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One name, what sort of thing it is, what it means, and what more there is to say."""

    name: str
    sort: str
    meaning: str
    more: tuple[str, ...] = ()


class Explain:
    """The command."""

    name = "explain"
    summary = "what does I20, B31, a rule, an operation or a word of an output mean?"
    about = (
        "Says what a short name in an output stands for: an invariant (I20, L3), a race (B31),\n"
        "a rule or its value, an era, an operation, an error number, a section of the\n"
        "kernel facts (K§5.5), or a word of a search's output. Without a name it lists them all."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.explain I20", "which invariant that is, and which wrong rules break it"),
        ("python -m pgmap.explain zap-put B31", "a rule with its values; a known race"),
        ("python -m pgmap.explain 'unseen share'", "a word of a search's output"),
    )
    objects: tuple[type, ...] = (ExplainObject,)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what is asked about."""
        parser.add_argument("names", nargs="*", metavar="NAME", help="what to explain")

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Explain each name, or list all there is."""
        facts = core.facts()
        every = list(entries(facts, core.catalogue()))
        if not args.names:
            for line in listing(every):
                out.result(line)
            return _cli.Outcome(Exit.OK, payload(every))
        # Several hundred, which pgmap.ablate --list lists.
        every += map(step_entry, core.protocol_steps()["steps"])
        together = " ".join(args.names)
        asked = [together] if together in GLOSSARY else args.names
        told = [entry for name in asked for entry in find(name, every, facts)]
        for entry in told:
            for line in full(entry):
                out.result(line)
        return _cli.Outcome(Exit.OK, payload(told))


def payload(told: Sequence[Entry]) -> dict[str, object]:
    """The entries as JSON."""
    return {
        "entries": [
            {"name": it.name, "sort": it.sort, "meaning": it.meaning, "more": list(it.more)}
            for it in told
        ]
    }


def full(entry: Entry) -> Iterator[str]:
    """An entry in full."""
    for text, indent in ((f"{entry.name}  {entry.sort}: {entry.meaning}", ""), *more(entry)):
        yield from textwrap.wrap(
            text,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_on_hyphens=False,
            break_long_words=False,
        )


def more(entry: Entry) -> Iterator[tuple[str, str]]:
    """What there is to say of an entry below its first line."""
    yield from ((text, "  ") for text in entry.more)


def listing(every: Sequence[Entry]) -> Iterator[str]:
    """All names, sort by sort."""
    width = max(len(entry.name) for entry in every)
    for sort in dict.fromkeys(entry.sort for entry in every):
        yield f"{sort}:"
        for entry in every:
            if entry.sort == sort:
                yield f"  {entry.name:{width}}  {entry.meaning}"


# --- what there is -------------------------------------------------------------------------------


def entries(facts: Facts, catalogue: Catalogue) -> Iterator[Entry]:
    """Everything that has a name."""
    for invariant in facts["invariants"]:
        yield Entry(
            invariant["id"],
            "invariant",
            invariant["sentence"],
            tuple(breakers(invariant["id"], facts, catalogue)),
        )
    for era in facts["eras"]:
        yield from (race_entry(race, era["name"]) for race in era["known"])
    yield from map(catalogued, (race for race in every_race(catalogue) if race["number"]))
    yield from (rule_entry(rule, catalogue) for rule in facts["rules"])
    yield from map(era_entry, facts["eras"])
    for operation in facts["operations"]:
        who = "wN " if operation["by"] == "worker" else ""
        for word in operation["words"]:
            says = f"{who}{word} {operation['usage']}".rstrip()
            yield Entry(word, "operation", says, (operation["sentence"],))
    for primitive in facts["primitives"]:
        says = _language.primitive(primitive)
        yield Entry(primitive["word"], "primitive", says, (primitive["sentence"],))
    for lacking in facts["lacking"]:
        yield Entry(lacking["name"], LACKING, f"{lacking['what']}: not supported yet")
    for errno in facts["errnos"]:
        yield Entry(errno["name"], "error number", f"{errno['number']}, {errno['meaning']}")
    for term, meaning in GLOSSARY.items():
        yield Entry(term, "word of an output", meaning)


def breakers(invariant: str, facts: Facts, catalogue: Catalogue) -> Iterator[str]:
    """What is known to break an invariant."""
    for race in catalogue["known"]:
        if race["invariant"] == invariant:
            yield f"broken by {wrong(race)}: {explore(race)}"
    for era in facts["eras"]:
        for known in era["known"]:
            if invariant in known["breaks"]:
                yield f"broken in {era['name']} by {known['id']}, {known['title']}"


def step_entry(step: StepFact) -> Entry:
    """A step of the protocol, and how to ask what it is for."""
    return Entry(
        step["name"],
        "step of the protocol",
        f"a {step['kind']} in {step['function']} ({step['place']} of rust/mm/src)",
        (f"what breaks without it: python -m pgmap.ablate {step['name']}",),
    )


def race_entry(race: KnownRaceFact, era: str) -> Entry:
    """A race, with where and why it is there."""
    rule = "=".join(race["rule"])
    return Entry(
        race["id"],
        "known race",
        f"{race['title']} ({race['note']})",
        (
            f"breaks {' '.join(race['breaks'])} in era {era}, where {rule}",
            f"kernels: {race['kernels']}",
            f"evidence: {race['source']}",
        ),
    )


def catalogued(race: Race) -> Entry:
    """A race of the catalogue, by its number."""
    return Entry(
        race["number"] or race["name"],
        "race",
        f"{race['title']} ({race['note']})",
        (
            f"wrong: {wrong(race)}"
            + (f"; breaks {race['invariant']}" if race["invariant"] else ""),
            f"the program, and what it teaches: python -m pgmap.races show {race['name']}",
        ),
    )


def rule_entry(rule: RuleFact, catalogue: Catalogue) -> Entry:
    """A rule, its values, and what shows the wrong ones."""
    eras: dict[str, list[str]] = {}
    for era, value in rule["eras"].items():
        eras.setdefault(value, []).append(era)
    values = [
        f"{rule['name']}={value['name']}: {value['meaning']}"
        + (f" (era {', '.join(eras[value['name']])})" if value["name"] in eras else "")
        for value in rule["values"]
    ]
    shown = [
        f"{race['note']}: {explore(race)}"
        for race in catalogue["known"]
        if race["rule"] == rule["name"]
    ]
    shown += [sentence(weak) for weak in catalogue["not_on_x86"] if weak["rule"] == rule["name"]]
    summary = " ".join(rule["summary"].split())
    told = f"kernels, and how that is known: python -m pgmap.rules {rule['name']}"
    return Entry(rule["name"], "rule", summary, (*values, *shown, told))


def era_entry(era: EraFact) -> Entry:
    """An era, with its known races."""
    known = ", ".join(race["id"] for race in era["known"]) or "none"
    told = f"its rules: python -m pgmap.rules --era {era['name']}"
    return Entry(era["name"], "era", era["summary"], (f"known races: {known}", told))


# --- finding one ---------------------------------------------------------------------------------


def find(asked: str, every: Sequence[Entry], facts: Facts) -> list[Entry]:
    """The entries of a name; several where one name has several meanings."""
    name = asked.strip()
    if section := _SECTION.fullmatch(name):
        cites = cited(f"K§{section[1]}", "section of the kernel facts", facts)
        if section[1] in SECTIONS:
            return [replace(cites, meaning=f"{SECTIONS[section[1]]} ({cites.meaning})")]
        raise UsageError(f"nothing in pgmap refers to K§{section[1]}")
    wanted = canonical(name)
    found = [entry for entry in every if matches(entry, wanted)]
    if not found and _RACE.fullmatch(wanted):
        cites = cited(wanted, "race", facts)
        if cites.more:
            return [cites]
    if not found:
        near = get_close_matches(wanted, [entry.name for entry in every], n=1)
        hint = f"did you mean {near[0]}?" if near else "python -m pgmap.explain lists what there is"
        raise UsageError(f"nothing is called {asked!r}; {hint}")
    return found


def canonical(name: str) -> str:
    """A name as it is printed: ``i1`` is ``I01``, ``b31`` is ``B31``, a value is its rule's."""
    if numbered := _NUMBERED.fullmatch(name):
        letter, number = numbered[1].upper(), int(numbered[2])
        digits = f"{number:02}" if letter == "I" else str(number)
        return f"{letter}{digits}{(numbered[3] or '').lower()}"
    if _RACE.fullmatch(name.upper()):
        return name.upper()
    return name.partition("=")[0]


def matches(entry: Entry, wanted: str) -> bool:
    """Whether a name, as it is printed, is this entry's."""
    if entry.sort == "invariant":
        return wanted in (entry.name, entry.name.partition("-")[0])
    if entry.sort == "rule":
        return entry.name == wanted.replace("_", "-")
    if entry.sort == LACKING:
        return fnmatchcase(wanted, entry.name)
    if entry.sort == "word of an output":
        return wanted in (entry.name, f"{entry.name}s", f"{entry.name}es")
    return entry.name == wanted


def cited(name: str, sort: str, facts: Facts) -> Entry:
    """A name that stands in the sources of rules, eras and races, and is not of pgmap's own."""
    mention = re.compile(re.escape(name) + r"(?![\d.]*\d)")
    about = [f"rule {it['name']}" for it in facts["rules"] if mention.search(it["facts"])]
    about += [f"era {it['name']}" for it in facts["eras"] if mention.search(it["facts"])]
    about += [
        f"known race {race['id']}"
        for era in facts["eras"]
        for race in era["known"]
        if mention.search(race["facts"])
    ]
    return Entry(
        name,
        sort,
        "the maintainers' notes on the kernel have it under this number; they are not part of "
        "pgmap, but what was taken from there is",
        tuple(f"python -m pgmap.explain {name_of(it)}: {it}" for it in about),
    )


def name_of(thing: str) -> str:
    """The last word, which is the name."""
    return thing.rsplit(" ", 1)[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Explain(), argv)


if __name__ == "__main__":
    sys.exit(main())
