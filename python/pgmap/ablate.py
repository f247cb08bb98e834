"""``python -m pgmap.ablate``: what breaks without a step of the protocol.

Every lock, barrier, wake-up, flush, store, get and put of the protocol is left out, one at a time,
and the programs of the catalogue are searched for what breaks (`_ablation`).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

import pgmap
from pgmap import _ablation_page, _cli, _core_api
from pgmap._ablation import IN_FULL, Ablation, Effort, Kept, searched, sources, untried_of
from pgmap._args import THREADS_MAX, count, duration
from pgmap._cli import UsageError
from pgmap._core_facts import ProtocolSteps, StepFact
from pgmap._exit import Exit, worst
from pgmap._objects import AblatedStep, AblateObject, StepsObject
from pgmap._options import SearchOptions
from pgmap._output import Ink, Output
from pgmap._progress import showing
from pgmap._redundant import REDUNDANT
from pgmap._signals import Signals
from pgmap._words import counted

SCHEDULES = 3_000
HUNT = 5.0


class Ablate:
    """The command."""

    name = "ablate"
    summary = "what breaks without this lock, barrier, flush, wake-up, store, get or put?"
    about = (
        "Leaves out one step of the protocol at a time, and searches the catalogue's programs and\n"
        "a hunt for what breaks: which invariant, with the fewest preemptions, and the token of\n"
        "that execution. pgmap.explore --without STEP@FUNCTION asks it of a program of your own.\n"
        "Complaints about how a primitive is used do not count. Who goes on without a lock works\n"
        "on a copy of what it guards; others see the changes where it would be given back."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.ablate --list", "the steps by name"),
        ("python -m pgmap.ablate wake_up_one-slot@dax_unlock_entry", "one of them"),
        ("python -m pgmap.ablate --function dax_unlock_entry", "all of a function"),
        (
            "python -m pgmap.ablate --resume rows.jsonl",
            "all of them, in as many sittings as it takes",
        ),
    )
    objects: tuple[type, ...] = (AblateObject, StepsObject)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of an ablation."""
        parser.add_argument("steps", nargs="*", metavar="STEP@FUNCTION", help="only these steps")
        parser.add_argument(
            "--function", action="append", default=[], metavar="NAME", help="only steps of these"
        )
        parser.add_argument("--list", action="store_true", help="name the steps and end")
        parser.add_argument(
            "--era",
            default=SearchOptions.era,
            help=f"whose protocol (default {SearchOptions.era}; an unknown name lists them)",
        )
        parser.add_argument(
            "--preemptions",
            type=count(0, 8),
            default=2,
            metavar="N",
            help="bounds 0 to N of each program (default 2)",
        )
        parser.add_argument(
            "--schedules",
            type=_cli.positive,
            default=SCHEDULES,
            metavar="N",
            help=f"executions of each program at each bound (default {SCHEDULES:,}); "
            f"more than {IN_FULL} programs of a step share what {IN_FULL} would get",
        )
        parser.add_argument(
            "--hunt",
            type=duration,
            default=HUNT,
            metavar="TIME",
            help="how long to hunt where no program breaks (default 5s)",
        )
        parser.add_argument("--no-hunt", action="store_true", help="look at known programs only")
        parser.add_argument(
            "--threads",
            type=count(1, THREADS_MAX),
            default=None,
            metavar="N",
            help="OS threads of a search (default: one for each processor)",
        )
        parser.add_argument(
            "--resume",
            metavar="FILE",
            help="keep rows in this file, and do not search again for those that are there",
        )
        parser.add_argument(
            "--page", action="store_true", help="print a page of Markdown instead of lines"
        )

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Leave out one step after the other."""
        protocol = core.protocol_steps()
        core.check_rules(args.era, ())
        chosen = choose(protocol, args.steps, args.function)
        if args.list:
            for fact in chosen:
                out.result(f"{fact['name']:60} {fact['kind']:12} {fact['place']}")
            return _cli.Outcome(Exit.OK, {"protocol": {**protocol, "steps": chosen}})
        hunt = 0.0 if args.no_hunt else args.hunt
        effort = Effort(args.era, args.preemptions, args.schedules, hunt, args.threads)
        build = dict(core.build_info())
        kept = Kept(args.resume, effort, build)
        out.facts.update(config=effort.config(), build=build)
        out.detail(
            f"pgmap {pgmap.__version__} ablate  era={args.era}  {counted(len(chosen), 'step')} of "
            f"{len(protocol['steps'])} ({counted(protocol['calls'], 'call')} of primitives)"
        )
        rows: list[AblatedStep] = []
        with showing(args.progress, out) as progress:
            ablation = Ablation(core, effort, signals, progress)
            left = any(fact["name"] not in kept.rows for fact in chosen)
            met = ablation.meetings(sources(core)) if left else {}
            for fact in chosen:
                row = kept.rows.get(fact["name"])
                if row is None and signals.stopped_by is None:
                    row = ablation.step(fact, met.get(fact["name"], []))
                    if row is not None:
                        kept.add(row)
                if row is not None:
                    rows.append(row)
                    if not args.page:
                        for line in told(out, row):
                            out.result(line)
        if args.page:
            for line in _ablation_page.page(rows, protocol, effort):
                out.result(line)
        return finish(out, rows, chosen, protocol, signals, page=args.page)


def choose(
    protocol: ProtocolSteps, steps: Sequence[str], functions: Sequence[str]
) -> list[StepFact]:
    """Those that were asked for; all, if none were."""
    names = {fact["name"] for fact in protocol["steps"]}
    for name in steps:
        if name not in names:
            raise UsageError(f"no step is called {name!r}: --list names them")
    there = {fact["function"] for fact in protocol["steps"]}
    for name in functions:
        if name not in there:
            raise UsageError(f"no step is in {name!r}: steps are in {', '.join(sorted(there))}")
    return [
        fact
        for fact in protocol["steps"]
        if (not steps or fact["name"] in steps) and (not functions or fact["function"] in functions)
    ]


def told(out: Output, row: AblatedStep) -> list[str]:
    """A row, and the token below it."""
    if row["outcome"] == "broken":
        bound = "drawn" if row["preemptions"] is None else str(row["preemptions"])
        broken = out.paint(f"{row['invariant']:4}", Ink.GOOD)
        line = f"{row['step']:60} {broken} {bound:>5}  {row['title']} ({row['source']})"
        return [line, f"    {row['token']}"]
    why = REDUNDANT.get(row["step"]) or row["why"] or nothing(row)
    return [f"{row['step']:60} {out.paint(row['outcome'], Ink.WARN)}: {why}"]


def nothing(row: AblatedStep) -> str:
    """What was searched in vain."""
    if row["outcome"] == "never run":
        return "no program takes it"
    return searched(row)


def finish(
    out: Output,
    rows: Sequence[AblatedStep],
    chosen: Sequence[StepFact],
    protocol: ProtocolSteps,
    signals: Signals,
    *,
    page: bool,
) -> _cli.Outcome:
    """The figures."""
    complete = len(rows) == len(chosen)
    outcomes = Counter(row["outcome"] for row in rows)
    others = ", ".join(f"{n} {word}" for word, n in outcomes.items() if word != "broken")
    partial = "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
    told = (
        f"without {outcomes['broken']} of {counted(len(rows), 'step')} an invariant is broken"
        + (f"; {others}" if others else "")
    )
    if not page:
        out.result(f"Result: {told}.{partial}")
    codes = [Exit.OK] if rows else [Exit.NOTHING_RAN]
    if signals.exit is not None:
        codes.append(signals.exit)
    payload = {
        "steps": len(protocol["steps"]),
        "calls": protocol["calls"],
        "rows": list(rows),
        "untried": untried_of(rows, protocol),
        "complete": complete,
    }
    return _cli.Outcome(worst(codes), payload)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Ablate(), argv)


if __name__ == "__main__":
    sys.exit(main())
