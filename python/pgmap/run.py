"""``python -m pgmap.run PROGRAM``: one schedule of a program, and what each of its steps comes to.

What a program does, before one asks what can happen to it: a worker goes on until it has ended or
cannot, then comes the next. `pgmap.explore` tries the other schedules.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pgmap import _cli, _core_api
from pgmap._args import add_geometry, add_rules
from pgmap._core_explore import RunReport
from pgmap._exit import Exit
from pgmap._input import read
from pgmap._objects import RunObject
from pgmap._options import ExploreOptions
from pgmap._output import Ink, Output
from pgmap._signals import Signals
from pgmap._tell import columns_left, geometry, header


class Run:
    """The command."""

    name = "run"
    summary = "run a program once, and print what each step comes to"
    about = (
        "Runs a program under one schedule: each worker goes on until it has ended or cannot,\n"
        "then the next one does. Prints what every step returned, the set-up's too.\n"
        "A set-up step that fails is an error with its line; what would wait for ever is said to."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.run program.txt", "does my program do what I think it does?"),
        (
            "python -m pgmap.run program.txt --break zap-put=before-flush --json -",
            "the same under a wrong rule, for a machine",
        ),
    )
    objects: tuple[type, ...] = (RunObject,)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what runs."""
        parser.add_argument("program", metavar="PROGRAM", help="a file, or - for standard input")
        world = parser.add_argument_group("what runs")
        add_rules(world)
        add_geometry(world)

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Run it, then tell."""
        asked = ExploreOptions.of(args)
        report = core.run_once(asked.config(program=read(args.program)))
        out.detail(header("run", args.era, args.breaks, f"program: {args.program}"))
        tell(out, report)
        return _cli.Outcome(exit_of(report), {**report, "source": args.program})


def exit_of(report: RunReport) -> Exit:
    """How it ends: a race that the era is known to have is no news."""
    finding = report["finding"]
    match report["ended"]:
        case "found":
            return Exit.OK if finding is not None and finding["known"] else Exit.FOUND
        case "waits":
            return Exit.HANG
        case "unclear":
            return Exit.INCONCLUSIVE
        case _:
            return Exit.OK


def tell(out: Output, report: RunReport) -> None:
    """The outcomes, in the order of set-up and workers, and the result."""
    words = {"waits": "waits for ever", "not begun": "not begun: what is before it has not ended"}
    rows = [("set-up", step["text"], step["outcome"]) for step in report["set_up"]]
    for step in report["steps"]:
        name = step["step"] if step["label"] is None else f"{step['label']} ({step['step']})"
        rows.append((name, step["text"], words.get(step["outcome"], step["outcome"])))
    for line in columns_left(rows):
        out.result(line)
    for warning in report["warnings"]:
        out.result(out.paint(f"warning: {warning}", Ink.WARN))
    for wait in report["waits"]:
        out.result(f"waiting: {wait}")
    out.result(f"Result: {result(out, report)} One schedule; {geometry(report['setting'])}.")


def result(out: Output, report: RunReport) -> str:
    """One sentence."""
    failed = [step["step"] for step in report["steps"] if step["failed"]]
    match report["ended"], report["finding"]:
        case "found", finding if finding is not None:
            known = f" (known: {finding['known']})" if finding["known"] else ""
            detail = f": {finding['detail']}" if finding["detail"] else ""
            words = out.paint(f"found {finding['invariant']}", Ink.BAD)
            return f"{words} {finding['title']}{detail}{known}."
        case "waits", _:
            words = out.paint("waits for ever", Ink.BAD)
            return f"{words} for what the program itself holds."
        case "unclear", _:
            return f"{out.paint('inconclusive', Ink.BAD)}: {report['why']}."
    if failed:
        words = out.paint(f"it ran, and {', '.join(failed)} failed", Ink.WARN)
        return f"{words}."
    return out.paint("it ran, and every step did what it was asked for", Ink.GOOD) + "."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Run(), argv)


if __name__ == "__main__":
    sys.exit(main())
