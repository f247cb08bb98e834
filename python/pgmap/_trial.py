"""Races of the catalogue, tried: what is wrong is found and replayed, what is right is exhausted.

For each entry: under its wrong rules the search must find the failure that it is known for, with as
few preemptions as it is known to need, shrink it, and its token must fail again every time. Then
the same program under the right rules must be exhausted. What needs weaker memory must moreover be
silent where memory is sequentially consistent. Of what is said to make no difference, or to be no
race at all, nothing may fail under either.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pgmap import _cli, _core_api
from pgmap._args import count
from pgmap._core_explore import ExploreReport, TracedStep
from pgmap._core_facts import KnownRule
from pgmap._drive import drive
from pgmap._exit import Exit, worst
from pgmap._explored import describe
from pgmap._options import ExploreOptions
from pgmap._output import Ink, Output
from pgmap._progress import Progress, showing
from pgmap._race import wrong
from pgmap._signals import Signals
from pgmap._tell import MEMORIES

REPLAYS = 100


@dataclass
class Row:
    """What became of one entry."""

    rule: str
    name: str
    invariant: str | None
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
            "race": self.name,
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


def add_options(parser: argparse.ArgumentParser) -> None:
    """How much each entry is tried."""
    parser.add_argument(
        "--preemptions",
        type=count(0, 64),
        default=ExploreOptions.preemptions,
        metavar="N",
        help=f"bound for the right rules and for the matrix (default {ExploreOptions.preemptions})",
    )
    parser.add_argument(
        "--replays",
        type=_cli.positive,
        default=REPLAYS,
        metavar="N",
        help=f"how often each token is run again (default {REPLAYS})",
    )


def run(
    chosen: Sequence[KnownRule],
    args: argparse.Namespace,
    out: Output,
    core: _core_api.Core,
    signals: Signals,
) -> _cli.Outcome:
    """Try them one after the other, a row of the table each."""
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


@dataclass(frozen=True)
class Trial:
    """The searches of one entry."""

    entry: KnownRule
    row: Row
    core: _core_api.Core
    signals: Signals
    progress: Progress

    def search(
        self, side: Sequence[tuple[str, str]], bound: int, memory: str | None = None
    ) -> ExploreReport:
        """Search under these rules; a race that the era is known for is a finding as well."""
        asked = ExploreOptions(
            era=self.entry["era"],
            rules=dict(side),
            preemptions=bound,
            strategy="bounds",
            memory=memory or self.entry["needs"],
            speculative_tlb=self.entry["tlb"] == "speculative",
            geometry=self.entry["sizes"],
            known=True,
        )
        return drive(
            self.core.explore_start(asked.config(program=self.entry["program"])),
            self.signals,
            self.progress,
            describe=lambda glance: [
                f"{self.row.rule}: {text.lstrip()}" for text in describe(glance)
            ],
        )

    def exhausted(self, report: ExploreReport, what: str) -> None:
        """Nothing may fail in a search that was not cut short."""
        self.row.complete = self.row.complete and report["complete"]
        if report["complete"] and report["verdict"] != "exhausted":
            self.row.failures.append(f"{what}: {report['verdict']}")
            if report["found"] is not None:
                self.row.failures.append(f"token: {report['found']['token']}")


def one(
    entry: KnownRule,
    args: argparse.Namespace,
    core: _core_api.Core,
    signals: Signals,
    progress: Progress,
) -> Row:
    """One entry: as wrong as it is known to be, and exhausted when it is right."""
    row = Row(wrong(entry), entry["name"], entry["invariant"], entry["preemptions"], entry["needs"])
    trial = Trial(entry, row, core, signals, progress)
    row.complete = True
    row.wrong = trial.search(entry["wrong"], entry["preemptions"])
    if entry["invariant"] is None:
        trial.exhausted(row.wrong, "something fails")
    else:
        must_fail(trial, row.wrong, args.replays)
    if signals.stopped_by is not None:
        row.complete = False
        return row
    row.right = trial.search(entry["right"], args.preemptions)
    trial.exhausted(row.right, "right rules not exhausted")
    if entry["kind"] == "equivalence" and row.complete and results(row.wrong) != results(row.right):
        row.failures.append("the steps come to other results")
    fails = entry["invariant"] is not None
    if fails and entry["needs"] != ExploreOptions.memory and signals.stopped_by is None:
        row.silent = trial.search(entry["wrong"], args.preemptions, ExploreOptions.memory)
        trial.exhausted(row.silent, f"not silent on {ExploreOptions.memory}")
    return row


def must_fail(trial: Trial, report: ExploreReport, replays: int) -> None:
    """Look at what was found: the failure that is known, in no other way than is known."""
    entry, row, found = trial.entry, trial.row, report["found"]
    if found is None:
        row.complete = report["complete"]
        if report["complete"]:
            row.failures.append(f"wrong rule not found: {report['verdict']}")
        return
    finding = found["finding"]
    if finding["invariant"] != entry["invariant"]:
        row.failures.append(f"found {finding['invariant']}, which is another failure")
    if found["preemptions"] != entry["preemptions"]:
        row.failures.append(f"found with {found['preemptions']} preemptions")
    if entry["grace_period"]:
        steps = trial.core.replay(found["token"], steps=True)["steps"] or []
        if not any(waits_for_readers(step) for step in steps):
            row.failures.append("no step of it waits for a grace period")
    replay(row, found["token"], replays, trial.core, trial.signals)


def waits_for_readers(step: TracedStep) -> bool:
    """Whether a step is of a grace period: the wait itself, or what was put off until its end."""
    return step["operation"] == "synchronize_rcu" or step["function"].endswith("rcu")


def results(report: ExploreReport) -> list[tuple[str, list[str]]]:
    """What each step came to, whatever the number of schedules."""
    return [(step["step"], sorted(step["results"])) for step in report["outcomes"]]


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
        row.invariant or "-",
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
