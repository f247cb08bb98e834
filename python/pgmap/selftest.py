"""``python -m pgmap.selftest``: every wrong rule is found, every right one is exhausted.

For each wrong rule of the catalogue: the search must find the failure that the rule is known for,
with as few preemptions as it is known to need, shrink it, and its token must fail again every time.
Then the same program under the right rules must be exhausted. A wrong rule that needs weaker memory
must moreover be silent where memory is sequentially consistent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pgmap
from pgmap import _cli, _core_api
from pgmap._args import count, rule
from pgmap._cli import UsageError
from pgmap._core_api import ExploreReport, KnownRule
from pgmap._drive import drive
from pgmap._exit import Exit, worst
from pgmap._explore import describe
from pgmap._objects import SelftestList, SelftestObject
from pgmap._output import Ink, Output
from pgmap._progress import Progress, showing
from pgmap._search import DEFAULT_MEMORY, DEFAULT_PREEMPTIONS, config
from pgmap._signals import Signals
from pgmap._tell import MEMORIES
from pgmap._weak import not_on_x86, sentence, where
from pgmap.verdicts import counted

REPLAYS = 100


@dataclass
class Row:
    """What became of one wrong rule."""

    rule: str
    invariant: str
    preemptions: int
    needs: str
    wrong: ExploreReport | None = None
    right: ExploreReport | None = None
    silent: ExploreReport | None = None
    replays: int = 0
    failures: list[str] = field(default_factory=list)
    complete: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything was as it is known to be."""
        return self.complete and not self.failures

    def payload(self) -> dict[str, Any]:
        """The row as JSON, without the reports in full."""
        found = None if self.wrong is None else self.wrong["found"]
        return {
            "rule": self.rule,
            "invariant": self.invariant,
            "preemptions": self.preemptions,
            "needs": self.needs,
            "ok": self.ok,
            "complete": self.complete,
            "failures": self.failures,
            "replays": self.replays,
            "token": None if found is None else found["token"],
            "shrunk": None if found is None else found.get("shrunk"),
            "wrong": numbers(self.wrong),
            "right": numbers(self.right),
            "silent": numbers(self.silent),
        }


def numbers(report: ExploreReport | None) -> dict[str, Any] | None:
    """How much a search was."""
    if report is None:
        return None
    return {
        "verdict": report["verdict"],
        "longest": max((bound["longest"] for bound in report["bounds"]), default=0),
        "schedules": sum(bound["schedules"] for bound in report["bounds"]),
        "pruned": sum(bound["pruned"] for bound in report["bounds"]),
        "seconds": report["search_seconds"],
    }


class Selftest:
    """The command."""

    name = "selftest"
    summary = "every wrong rule is found and replayed, every right one exhausted"
    about = (
        "For each wrong rule in the catalogue: its program fails as it is known to, with the\n"
        "fewest preemptions known, is shrunk, and its token fails again every time; under the\n"
        "right rules the same program is exhausted. A rule that is wrong only on weaker memory is\n"
        "silent where memory is sequentially consistent. If not, pgmap itself is wrong."
    )
    examples = (
        ("python -m pgmap.selftest", "all of it"),
        ("python -m pgmap.selftest --list", "the wrong rules, and what each breaks"),
        ("python -m pgmap.selftest zap-put=before-flush", "one of them"),
    )
    objects = (SelftestList, SelftestObject)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a self-test."""
        parser.add_argument(
            "rules", nargs="*", type=rule, metavar="RULE=VALUE", help="only these wrong rules"
        )
        parser.add_argument("--list", action="store_true", help="name the wrong rules and end")
        parser.add_argument(
            "--preemptions",
            type=count(0, 64),
            default=DEFAULT_PREEMPTIONS,
            metavar="N",
            help=f"bound for the right rules (default {DEFAULT_PREEMPTIONS})",
        )
        parser.add_argument(
            "--replays",
            type=_cli.positive,
            default=REPLAYS,
            metavar="N",
            help=f"how often each token is run again (default {REPLAYS})",
        )

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Go through the catalogue."""
        catalogue = core.catalogue()
        if elsewhere := not_on_x86(core, args.rules):
            raise UsageError(sentence(elsewhere[0]))
        chosen = choose(catalogue["known"], args.rules)
        names = [assignment(entry) for entry in chosen]
        facts: dict[str, Any] = {
            "wrong_rules": names,
            "not_on_x86": catalogue["not_on_x86"],
            "not_shown": catalogue["not_shown"],
        }
        if args.list:
            for entry in chosen:
                on = "" if entry["needs"] == DEFAULT_MEMORY else f"on {entry['needs']}: "
                out.result(f"{assignment(entry):34} {entry['invariant']:10} {on}{entry['note']}")
            for silent in catalogue["not_on_x86"]:
                name = f"{silent['rule']}={silent['value']}"
                out.result(f"{name:34} {'not on x86':10} {silent['note']}; loom: {where(silent)}")
            for missing in catalogue["not_shown"]:
                name = f"{missing['rule']}={missing['value']}"
                out.result(f"{name:34} {'not shown':10} {missing['why']}")
            return _cli.Outcome(Exit.OK, facts)
        out.facts.update(facts, build=dict(core.build_info()))
        out.detail(
            f"pgmap {pgmap.__version__} selftest  {counted(len(chosen), 'wrong rule')}, "
            f"{counted(args.replays, 'replay')} each, right rules to bound {args.preemptions}"
        )
        rows: list[Row] = []
        with showing(args.progress, out) as progress:
            for entry in chosen:
                if signals.stopped_by is not None:
                    break
                row = one(entry, args, core, signals, progress)
                rows.append(row)
                with progress.aside():
                    if len(rows) == 1:
                        out.detail(heading())
                    out.result(line(out, row))
                    for failure in row.failures:
                        out.result(f"  {failure}")
        return finish(out, rows, len(chosen), signals)


def choose(known: Sequence[KnownRule], asked: Sequence[tuple[str, str]]) -> list[KnownRule]:
    """Those that were asked for; all, if none were."""
    names = [assignment(entry) for entry in known]
    for name, value in asked:
        if f"{name}={value}" not in names:
            listed = ", ".join(names)
            raise UsageError(f"no wrong rule is {name}={value}; there are {listed}")
    wanted = [f"{name}={value}" for name, value in asked] or names
    return [entry for entry in known if assignment(entry) in wanted]


def assignment(entry: KnownRule) -> str:
    """``RULE=VALUE``."""
    return f"{entry['rule']}={entry['value']}"


def one(
    entry: KnownRule,
    args: argparse.Namespace,
    core: _core_api.Core,
    signals: Signals,
    progress: Progress,
) -> Row:
    """One wrong rule: found, replayed, and exhausted when it is right."""
    row = Row(assignment(entry), entry["invariant"], entry["preemptions"], entry["needs"])
    wrong = ((entry["rule"], entry["value"]),)

    def search(
        breaks: tuple[tuple[str, str], ...], bound: int, memory: str = entry["needs"]
    ) -> ExploreReport:
        asked = config(
            entry["program"],
            breaks=breaks,
            preemptions=bound,
            strategy="bounds",
            memory=memory,
        )
        run = core.explore_start(asked)
        return drive(
            run,
            signals,
            progress,
            describe=lambda glance: [f"{row.rule}: {text.lstrip()}" for text in describe(glance)],
        )

    row.wrong = search(wrong, entry["preemptions"])
    found = row.wrong["found"]
    if found is None:
        if row.wrong["complete"]:
            row.failures.append(f"wrong rule not found: {row.wrong['verdict']}")
    else:
        finding = found["finding"]
        if finding["invariant"] != entry["invariant"]:
            row.failures.append(f"found {finding['invariant']}, which is another failure")
        if found["preemptions"] != entry["preemptions"]:
            row.failures.append(f"found with {found['preemptions']} preemptions")
        replay(row, found["token"], args.replays, core, signals)
    if signals.stopped_by is not None:
        return row
    row.right = search((), args.preemptions)
    row.complete = row.right["complete"]
    if row.complete and row.right["verdict"] != "exhausted":
        row.failures.append(f"right rules not exhausted: {row.right['verdict']}")
        if row.right["found"] is not None:
            row.failures.append(f"token: {row.right['found']['token']}")
    if entry["needs"] != DEFAULT_MEMORY and signals.stopped_by is None:
        row.silent = search(wrong, args.preemptions, DEFAULT_MEMORY)
        row.complete = row.complete and row.silent["complete"]
        if row.silent["complete"] and row.silent["verdict"] != "exhausted":
            row.failures.append(f"not silent on {DEFAULT_MEMORY}: {row.silent['verdict']}")
    return row


def replay(row: Row, token: str, times: int, core: _core_api.Core, signals: Signals) -> None:
    """Run a token again so many times; it must fail again every time."""
    for _ in range(times):
        if signals.stopped_by is not None:
            return
        told = core.replay(token)
        row.replays += 1
        if told["outcome"] != "reproduced":
            why = f": {told['why']}" if told["why"] else ""
            row.failures.append(f"replay {row.replays} {told['outcome']}{why}")
            return


TITLES = (
    *("", "wrong rule", "breaks", "bound", "schedules", "seconds", "replays", "steps"),
    *("right: points", "schedules", "seconds"),
)
WIDTHS = (6, 27, 10, 5, 9, 7, 7, 6, 13, 9, 7)


def heading() -> str:
    """Titles: the wrong rule's search, its replays and shrunk steps, the right rule's search."""
    return row_text(TITLES)


def row_text(cells: Sequence[str]) -> str:
    """Cells of the table under their titles."""
    left = [cell.ljust(width) for cell, width in zip(cells[:3], WIDTHS[:3], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[3:], WIDTHS[3:], strict=True)]
    return "  ".join([*left, *right]).rstrip()


def line(out: Output, row: Row) -> str:
    """One row of the table."""
    wrong, right = numbers(row.wrong), numbers(row.right)
    word, ink = ("ok", Ink.GOOD) if row.ok else ("FAILED", Ink.BAD)
    if not row.complete and not row.failures:
        word, ink = "cut", Ink.WARN
    found = None if row.wrong is None else row.wrong["found"]
    shrunk = None if found is None else found.get("shrunk")
    steps = "" if shrunk is None else f"{shrunk['from']['steps']}->{shrunk['to']['steps']}"
    cells = [
        word,
        row.rule,
        row.invariant,
        str(row.preemptions),
        "" if wrong is None else f"{wrong['schedules']:,}",
        "" if wrong is None else f"{wrong['seconds']:.2f}",
        str(row.replays),
        steps,
        "" if right is None else f"{right['longest']:,}",
        "" if right is None else f"{right['schedules']:,}",
        "" if right is None else f"{right['seconds']:.2f}",
    ]
    return row_text(cells).replace(word, out.paint(word, ink), 1)


def finish(out: Output, rows: Sequence[Row], asked: int, signals: Signals) -> _cli.Outcome:
    """The verdict."""
    done = [row for row in rows if row.complete]
    failed = [row for row in rows if row.failures]
    codes = [Exit.FOUND] if failed else []
    codes += [Exit.OK] if done else []
    if signals.exit is not None:
        codes.append(signals.exit)
    words = (
        out.paint(f"{len(failed)} of {asked} wrong rules not as known", Ink.BAD)
        if failed
        else out.paint(
            f"{len(done)} of {asked} wrong rules found, and exhausted when right", Ink.GOOD
        )
    )
    partial = "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
    on = " and ".join(MEMORIES[name] for name in MEMORIES if name in {row.needs for row in rows})
    where = f" On {on}." if on else ""
    out.result(f"Result: {words}.{where}{partial}")
    complete = len(done) == asked
    payload = {"rows": [row.payload() for row in rows], "complete": complete}
    return _cli.Outcome(worst(codes), payload)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Selftest(), argv)


if __name__ == "__main__":
    sys.exit(main())
