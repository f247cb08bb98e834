"""The page ``docs/rules.md``: each rule with what is known of it, made from the core's tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pgmap._core_facts import EraFact, Facts, RuleFact
from pgmap._sections import SECTIONS

_SECTION = re.compile(r"K§(\d+(?:\.\d+)?)")
HOW = {
    "recorded": "recordings of running kernels",
    "source": "a kernel's source",
    "thread": "a mailing list or a commit message",
    "derived": "reasoning alone",
}
INTRODUCTION = """\
# Rules and eras

A rule is a decision on which kernels and proposals differ; an era is a preset of all of them. A
faithful era does what its kernels shipped, faults included; NAME-sound is the same with its known
races mended. `python -m pgmap.rules` prints this on a terminal, and with a rule's name the races
that show a wrong value as well.

This page is made by `python -m pgmap.rules --document`; `make test` fails if it is not current."""
NOTES = """\
## The kernel facts

Comments in the source cite the maintainers' notes on the kernel as K§ and a number. The notes are
no part of pgmap; what was taken from them is, and these are the sections that it was taken from."""


def page(facts: Facts) -> Iterator[str]:
    """The page's lines."""
    yield from INTRODUCTION.splitlines()
    yield ""
    yield "## Eras"
    for era in facts["eras"]:
        yield from era_lines(era, facts)
    yield ""
    yield "## Rules"
    for rule in facts["rules"]:
        yield from rule_lines(rule)
    yield ""
    yield from NOTES.splitlines()
    yield ""
    yield "| section | about | rules that rest on it |"
    yield "|---|---|---|"
    for number, title in SECTIONS.items():
        rest = [
            f"[{rule['name']}](#{rule['name']})"
            for rule in facts["rules"]
            if number in _SECTION.findall(rule["facts"])
        ]
        yield f"| K§{number} | {title} | {', '.join(rest)} |"


def era_lines(era: EraFact, facts: Facts) -> Iterator[str]:
    """An era: what it does differently from the one that it is based on, and its known races."""
    yield ""
    yield f"### {era['name']}"
    yield ""
    yield era["summary"]
    base = era["base"]
    changed = [
        f"`{rule['name']}={rule['eras'][era['name']]}`"
        for rule in facts["rules"]
        if rule["eras"][era["name"]] != (rule["eras"][base] if base else rule["base"])
    ]
    if base:
        yield ""
        yield f"It is {base} with {', '.join(changed) if changed else 'nothing changed'}."
    twins = {it["sound"] for it in facts["eras"] if it["sound"] != it["name"]}
    if era["told"] and era["name"] not in twins:
        yield ""
        yield "| it has | known from | source |"
        yield "|---|---|---|"
        for told in era["told"]:
            yield f"| `{told['rule']}={told['value']}` | {HOW[told['how']]} | {told['source']} |"
    if era["known"]:
        yield ""
        yield "| known race | what happens | by | mended by | kernels |"
        yield "|---|---|---|---|---|"
    for race in era["known"]:
        rule, value = race["rule"]
        yield (
            f"| {race['id']} | {race['title']}: {race['note']} | `{rule}={value}` | "
            f"`{rule}={race['mend']}` | {race['kernels']} |"
        )


def rule_lines(rule: RuleFact) -> Iterator[str]:
    """A rule: what it decides, and what each value does."""
    yield ""
    yield f"### {rule['name']}"
    yield ""
    yield " ".join(rule["summary"].split())
    yield ""
    yield "| value | what the machine does | eras | kernels | known from | source |"
    yield "|---|---|---|---|---|---|"
    for value in rule["values"]:
        eras = [era for era, mine in rule["eras"].items() if mine == value["name"]]
        yield (
            f"| `{value['name']}` | {value['meaning']} | {', '.join(eras) or 'none'} | "
            f"{value['kernels']} | {HOW[value['how']]} | {value['source']} |"
        )
