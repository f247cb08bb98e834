"""``python -m pgmap.explore --hunt``: programs nobody wrote, until one fails.

All of them, shortest first; where there are too many, some longer ones are drawn in between.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pgmap import _cli, _core_api
from pgmap._announce import Announcer
from pgmap._args import show_count, show_seconds, show_seed
from pgmap._core_explore import HuntProgress, HuntReport
from pgmap._drive import shown
from pgmap._exit import Exit, worst
from pgmap._options import HuntOptions
from pgmap._output import Ink, Output
from pgmap._signals import Signals
from pgmap._tell import (
    MEMORIES,
    diagram,
    ending,
    found_words,
    header,
    machine,
    shrinking,
    tell_known,
)
from pgmap._words import counted, within


def hunt(
    args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
) -> _cli.Outcome:
    """Explore programs, shortest first, until one fails."""
    options = HuntOptions.of(args, words=args.hunt)
    asked = options.config()
    out.facts.update(config={**asked, "seed": show_seed(options.seed)})
    run = core.hunt_start(asked)
    vocabulary = " ".join(options.words) or "all words"
    on = machine(options, said="memory" in args)
    out.detail(header("explore", args.era, args.breaks, f"{on}hunt: {vocabulary}"))
    report = shown(
        run, signals, args.progress, out, describe=describe_hunt, observe=Announcer(out, signals)
    )
    found = report["found"]
    if found is not None:
        out.result(diagram(out, found["text"]))
    out.result(hunt_line(out, options, report, signals))
    tell_known(out, report["known"])
    if found is not None:
        ending(out, found)
    codes = [
        {"found": Exit.FOUND, "inconclusive": Exit.INCONCLUSIVE}.get(report["verdict"], Exit.OK)
    ]
    if not report["programs"]:
        codes.append(Exit.NOTHING_RAN)
    if signals.exit is not None:
        codes.append(signals.exit)
    token = None if found is None else found["token"]
    return _cli.Outcome(worst(codes), {**report, "token": token})


def describe_hunt(glance: HuntProgress) -> Sequence[str]:
    """Progress: one line that stands alone."""
    lead = f"{show_seconds(glance['seconds']):>7}"
    if glance["phase"] == "shrink":
        return (lead + shrinking(glance),)
    return (
        f"{lead}  {glance['ops']} operations  {show_count(glance['programs'])} programs explored  "
        f"{show_count(glance['senseless'])} senseless  {show_count(glance['schedules'])} schedules",
    )


def hunt_line(out: Output, asked: HuntOptions, report: HuntReport, signals: Signals) -> str:
    """One honest sentence."""
    drawn = f", {report['drawn']:,} of them drawn" if report["drawn"] else ""
    facts = (
        f"{counted(report['programs'], 'program')}{drawn}, "
        f"{counted(report['schedules'], 'schedule')}, {show_seconds(report['seconds'])}"
    )
    ahead = asked.speculative_tlb
    late = ahead or asked.memory != HuntOptions.memory
    bound = within(asked.preemptions, delays=late)
    partial = "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
    if report["found"] is not None:
        words = found_words(out, report["found"])
        if report["why"] is not None or report["too_long"] or not report["shortest"]:
            return f"Result: {words}; shorter programs may fail, too ({facts}).{partial}"
        return f"Result: {words}; no shorter program of these words fails {bound} ({facts})."
    if report["verdict"] == "inconclusive":
        words = out.paint("inconclusive", Ink.BAD)
        return f"Result: {words}: {report['why']} ({facts}).{partial}"
    if report["verdict"] == "exhausted":
        words = out.paint(
            f"no program of at most {counted(report['ops'], 'operation')} fails", Ink.GOOD
        )
        most = f"{counted(asked.schedules, 'schedule')} each at most"
        tlbs = ", TLBs load ahead" if ahead else ""
        return f"Result: {words} {bound}, {most} ({facts}). On {MEMORIES[asked.memory]}{tlbs}."
    why = {
        "time": "its time is up",
        "programs": "so many programs were asked for",
        "asked": "somebody stopped it",
    }[report["why"] or "asked"]
    words = out.paint("not found", Ink.WARN)
    return f"Result: {words}, but not all was seen: {why} ({facts}). Not a proof.{partial}"
