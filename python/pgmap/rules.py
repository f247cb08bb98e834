"""``python -m pgmap.rules``: what each era does, how eras differ, and how that is known.

The rules and eras are the core's own tables; nothing is written down here. Without a name it prints
the matrix of rules and eras; with ``--era`` twice, what differs between two; with a rule's name,
all of that rule. ``--document`` prints the page ``docs/rules.md``.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise

from pgmap import _cli, _core_api, _rules_page
from pgmap._cli import UsageError
from pgmap._core_facts import Catalogue, EraFact, RuleFact
from pgmap._exit import Exit
from pgmap._objects import RulesObject, RulesPage
from pgmap._output import Output, wants_color
from pgmap._race import every
from pgmap._rules_page import HOW
from pgmap._signals import Signals

WIDTH = 100
_RELATED = re.compile(r"\b[BIL]\d+\b")


class Rules:
    """The command."""

    name = "rules"
    summary = "what does each era do, how do two differ, and how is that known?"
    about = (
        "Prints the rules, each decision on which kernels differ, with their value in every era.\n"
        "With --era given twice only what differs; with a rule's name what each of its values\n"
        "does, which kernels have it, and whether that was recorded, read in source, taken from a\n"
        "thread or only derived."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.rules", "every rule in every era"),
        ("python -m pgmap.rules --era v6.15 --era v6.15-sound", "what differs between two"),
        ("python -m pgmap.rules idle-pred", "one rule in full"),
    )
    objects: tuple[type, ...] = (RulesObject, RulesPage)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what is asked about."""
        parser.add_argument("rules", nargs="*", metavar="RULE", help="rules to tell in full")
        parser.add_argument(
            "--era",
            dest="eras",
            action="append",
            default=[],
            metavar="NAME",
            help="only this era; twice: what differs between the two",
        )
        parser.add_argument(
            "--document", action="store_true", help="print the page docs/rules.md and end"
        )

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Print the matrix, a difference, some rules in full, or the page."""
        facts, catalogue = core.facts(), core.catalogue()
        if args.document:
            page = list(_rules_page.page(facts))
            for line in page:
                out.verbatim(line)
            return _cli.Outcome(Exit.OK, {"page": "".join(f"{line}\n" for line in page)})
        for name in args.eras:
            core.check_rules(name, ())
        if len(args.eras) > 2:
            raise UsageError("--era takes one era, or two to be compared")
        eras = [era for era in facts["eras"] if not args.eras or era["name"] in args.eras]
        rules = facts["rules"]
        if args.rules:
            rules = [find(name, rules) for name in args.rules]
            for rule in rules:
                for line in full(rule, eras, catalogue):
                    out.result(line)
        elif len(args.eras) == 2:
            rules = [rule for rule in rules if len(set(values(rule, eras))) > 1]
            tell(out, rules, eras)
            out.detail(f"{args.eras[0]} and {args.eras[1]} differ in {len(rules)} rules")
        else:
            tell(out, rules, eras)
            for era in eras:
                out.detail(about(era))
        payload = {"eras": eras, "rules": [only(rule, eras) for rule in rules]}
        return _cli.Outcome(Exit.OK, payload)


def only(rule: RuleFact, eras: Sequence[EraFact]) -> RuleFact:
    """A rule without the eras that nobody asked for."""
    names = [era["name"] for era in eras]
    return {**rule, "eras": {era: value for era, value in rule["eras"].items() if era in names}}


def values(rule: RuleFact, eras: Sequence[EraFact]) -> list[str]:
    """A rule's value in each of these eras."""
    return [rule["eras"][era["name"]] for era in eras]


def about(era: EraFact) -> str:
    """An era in a line."""
    base = f" Over {era['base']}." if era["base"] else ""
    known = ", ".join(race["id"] for race in era["known"])
    races = f" Known races: {known}." if known else ""
    return f"{era['name']}: {era['summary']}{base}{races}"


def find(asked: str, rules: Sequence[RuleFact]) -> RuleFact:
    """The rule of a name; a value of it may be named along."""
    name = asked.partition("=")[0].replace("_", "-")
    for rule in rules:
        if rule["name"] == name:
            return rule
    names = [rule["name"] for rule in rules]
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"no rule is called {asked!r}{hint}; rules are: {', '.join(names)}")


def full(rule: RuleFact, eras: Sequence[EraFact], catalogue: Catalogue) -> Iterator[str]:
    """A rule in full."""
    yield rule["name"]
    yield from wrapped(rule["summary"], "  ")
    shown = every(catalogue)
    for value in rule["values"]:
        yield f"  {rule['name']}={value['name']}"
        yield from wrapped(f"{value['meaning']}", "      ")
        here = [era["name"] for era in eras if rule["eras"][era["name"]] == value["name"]]
        if here:
            yield from wrapped(f"eras: {', '.join(here)}", "      ")
        yield from wrapped(f"kernels: {value['kernels']}", "      ")
        yield from wrapped(f"known from {HOW[value['how']]}: {value['source']}", "      ")
        for race in shown:
            if (rule["name"], value["name"]) in race["wrong"]:
                told = f"wrong in {race['name']}, {race['title']}"
                yield from wrapped(f"{told}: python -m pgmap.races show {race['name']}", "      ")
    if related := _RELATED.findall(rule["facts"]):
        yield f"  related: python -m pgmap.explain {' '.join(related)}"


def wrapped(text: str, indent: str) -> Iterator[str]:
    """A text in lines."""
    yield from textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + ("" if len(indent) == 2 else "  "),
        break_on_hyphens=False,
        break_long_words=False,
    )


def tell(out: Output, rules: Sequence[RuleFact], eras: Sequence[EraFact]) -> None:
    """Print the matrix: drawn on a terminal, in plain columns elsewhere."""
    titles = ["rule", *(era["name"] for era in eras)]
    rows = [[rule["name"], *values(rule, eras)] for rule in rules]
    if out.text.isatty() and wants_color(out.color, out.text):
        drawn(out, titles, rows)
        return
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    for cells in (titles, *rows):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        out.result("  ".join(padded).rstrip())


def drawn(out: Output, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw the table; where an era differs from the one before it, the cell stands out."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        cells = [row[0], row[1] if len(row) > 1 else ""]
        for before, value in pairwise(row[1:]):
            cells.append(value if value == before else f"[bold]{value}[/bold]")
        table.add_row(*cells)
    # Words are not cut; a terminal that is narrower breaks the line itself.
    width = sum(max(map(len, column)) for column in zip(titles, *rows, strict=True))
    console = Console(file=out.text)
    console.width = max(console.width, width + len(titles))
    console.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Rules(), argv)


if __name__ == "__main__":
    sys.exit(main())
