"""How a search is told: in a line while it runs, then a table, a verdict and what it holds for.

Nothing is claimed that was not done: who stopped it, which limit ended it and what was only drawn
stand beside the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgmap._args import show_count, show_seconds
from pgmap._core_explore import CoverageReport, ExploreProgress, ExploreReport
from pgmap._exit import Exit, worst
from pgmap._output import Ink, Output, Verbosity
from pgmap._signals import Signals
from pgmap._tell import (
    diagram,
    ending,
    found_words,
    geometry,
    lock_orders,
    memory,
    outcomes,
    shrinking,
    table,
    tell_known,
)
from pgmap._words import classes_words, counted, delays, unseen_words, within


def describe(glance: ExploreProgress) -> Sequence[str]:
    """Progress: one line that stands alone."""
    lead = f"{show_seconds(glance['seconds']):>7}"
    if glance["phase"] == "shrink":
        return (lead + shrinking(glance),)
    if glance["phase"] == "sample":
        return (
            f"{lead}  drawn  {show_count(glance['schedules'])} schedules  "
            f"{show_count(glance['classes'])} classes  {show_count(glance['points'])} points  "
            f"unseen ~{glance['unseen']:.1%}",
        )
    bound = bound_words(glance["bound"])
    share = f"  ~{glance['fraction']:.0%}" if glance["fraction"] > 0 else ""
    if glance["remaining"] is not None:
        share += f", about {show_seconds(glance['remaining'])} more"
    return (
        f"{lead}  {bound}  {show_count(glance['schedules'])} schedules  "
        f"{show_count(glance['pruned'])} cut  {show_count(glance['points'])} points  "
        f"longest {glance['longest']}{share}",
    )


def bound_words(bound: int | None) -> str:
    """The name of a bound."""
    return "no bound" if bound is None else f"bound {bound}"


def exit_of(report: ExploreReport, signals: Signals) -> Exit:
    """How the search ends. What was found wins over an interruption."""
    codes = {
        "found": Exit.FOUND,
        "unseen": Exit.FOUND,
        "inconclusive": Exit.INCONCLUSIVE,
    }
    drawn = report["coverage"]
    within_bounds = any(bound["schedules"] + bound["pruned"] for bound in report["bounds"])
    if not within_bounds and (drawn is None or not drawn["executions"]):
        ran = Exit.NOTHING_RAN
    elif report["strangers"] and report["verdict"] != "found":
        ran = Exit.NOTHING_RAN  # it ran, and tested nothing
    else:
        ran = codes.get(report["verdict"], Exit.OK)
    if signals.exit is not None and not report["complete"]:
        return worst([ran, signals.exit])
    return ran


def tell(out: Output, report: ExploreReport, signals: Signals) -> None:
    """The table, the verdict, and what was found."""
    for line in table(report):
        out.detail(line)
    out.detail()
    found = report["found"]
    if found is None or out.verbosity is Verbosity.VERBOSE:
        lines = outcomes(report, everything=out.verbosity is Verbosity.VERBOSE)
        for line in lines:
            out.detail(line)
        if lines:
            out.detail()
    for warning in report["warnings"]:
        if warning == report["why"]:
            continue  # the result says it
        out.result(out.paint(f"warning: {warning}", Ink.WARN))
    for line in lock_orders(report):
        out.result(out.paint(line, Ink.WARN))
    if found is not None:
        out.result(diagram(out, found["text"]))
    out.result(result_line(out, report, signals))
    tell_known(out, report["known"], report["again"])
    if found is not None:
        ending(out, found)


def result_line(out: Output, report: ExploreReport, signals: Signals) -> str:
    """One honest sentence: the verdict, and what it holds for."""
    facts = f"{schedules_words(report)}, {show_seconds(report['search_seconds'])}"
    holds = f"On {memory(report['setting'])}; {geometry(report['setting'])}."
    partial = "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
    refused = any(bound["refused"] for bound in report["bounds"])
    full = " The cache was full, so some schedules ran twice." if refused else ""
    match report["verdict"]:
        case "found":
            assert report["found"] is not None
            return f"Result: {found_words(out, report['found'])} ({facts}). {holds}{partial}"
        case "exhausted":
            late = delays(report["setting"]["memory"], report["setting"]["tlb"])
            bound = within(report["bound"], delays=late)
            words = out.paint(f"exhausted: nothing fails {bound}", Ink.GOOD)
            return (
                f"Result: {words} ({facts}).{beyond(report, partial)}{waits(report)}{full} {holds}"
            )
        case "unseen":
            late = delays(report["setting"]["memory"], report["setting"]["tlb"])
            bound = within(report["bound"], delays=late)
            words = out.paint(f"never so {bound}", Ink.BAD)
            never = "; ".join(report["unseen"])
            return f"Result: {words}: {never} ({facts}).{beyond(report, partial)}{full} {holds}"
        case "not-found":
            why = {
                "schedules": "the schedules it was allowed are used up",
                "time": "its time is up",
                "asked": "somebody stopped it",
            }.get(report["why"] or "", str(report["why"]))
            finished = [str(bound["bound"]) for bound in report["bounds"][:-1]]
            so_far = f"; exhausted so far: bound {', '.join(finished)}" if finished else ""
            if report["remaining"] is not None:
                so_far += f"; {bound_words(report['bounds'][-1]['bound'])}: about "
                so_far += f"{show_seconds(report['remaining'])} more"
            if report["coverage"] is not None:
                so_far += f"; {seen_words(report['coverage'])}"
            words = out.paint("not found", Ink.WARN)
            return (
                f"Result: {words}, but not all was seen: {why} ({facts}{so_far}). "
                f"Not a proof.{waits(report)}{partial} {holds}"
            )
        case _:
            words = out.paint("inconclusive", Ink.BAD)
            return f"Result: {words}: {report['why']} ({facts}).{partial} {holds}"


def waits(report: ExploreReport) -> str:
    """How many schedules end in a wait of the program's own; a sentence, if any do."""
    if not report["waiting"]:
        return ""
    return (
        f" {counted(report['waiting'], 'schedule')} ended with everybody waiting for what the "
        "program never gives back."
    )


def schedules_words(report: ExploreReport) -> str:
    """How many schedules were run: searched, and drawn where that is not told apart."""
    words = []
    if report["bounds"]:
        schedules = sum(bound["schedules"] for bound in report["bounds"])
        pruned = sum(bound["pruned"] for bound in report["bounds"])
        words += [f"{counted(schedules, 'schedule')}, {pruned:,} cut as seen before"]
    drawn = report["coverage"]
    if drawn is not None and report["verdict"] not in ("exhausted", "unseen"):
        words += [f"{drawn['executions']:,} drawn by {report['strategy']}, seed {report['seed']}"]
    return ", ".join(words)


def seen_words(drawn: CoverageReport) -> str:
    """How much of the program's behaviour drawn schedules have shown."""
    unseen = unseen_words(drawn["unseen"], drawn["executions"])
    return f"{classes_words(drawn['classes'], exact=drawn['exact'])}, unseen share {unseen}"


def beyond(report: ExploreReport, partial: str) -> str:
    """What was drawn beyond an exhausted bound; a sentence of its own, for it proves nothing.

    ``partial`` says if somebody ended that; the bound stands all the same.
    """
    drawn = report["coverage"]
    if drawn is None:
        return ""
    if report["bound"] is None:
        return (
            f" All {drawn['executions']:,} that were drawn by {report['strategy']} (seed "
            f"{report['seed']}) are of one class, and there is no other."
        )
    return (
        f" Beyond the bound: {drawn['executions']:,} more schedules by {report['strategy']} "
        f"(seed {report['seed']}), {seen_words(drawn)}.{'' if report['complete'] else partial}"
    )
