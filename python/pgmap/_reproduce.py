"""What a stress run saw, found again by the explorer, where it can be told step by step.

Real threads tell an invariant and two operations, but no interleaving. The same rules are put to
the explorer for a while; what it finds is shrunk, told as CPU0 beside CPU1, and given a token.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgmap._announce import Announcer
from pgmap._args import show_count, show_seconds
from pgmap._core_api import Core
from pgmap._core_explore import ReproduceProgress, ReproduceReport
from pgmap._core_reports import StressReport
from pgmap._drive import shown
from pgmap._output import Ink, Output
from pgmap._race import explore, wrong
from pgmap._signals import Signals
from pgmap._tell import diagram, ending, found_words, shrinking
from pgmap._words import counted


def reproduce(
    seen: StressReport,
    breaks: Sequence[tuple[str, str]],
    seconds: float,
    wanted: str,
    out: Output,
    core: Core,
    signals: Signals,
) -> ReproduceReport | None:
    """Look for what was seen and tell it; None if nothing was seen that is news.

    ``wanted`` is how progress is to be shown.
    """
    news = next((found for found in seen["violations"] if found["known"] is None), None)
    if news is None and seen["hang"] is None and seen["no_verdict"] is None:
        return None
    run = core.reproduce_start(
        {
            "era": seen["era"],
            "breaks": tuple(breaks),
            "invariant": None if news is None else news["invariant"],
            "operations": [] if news is None else news["operations"],
            "seconds": seconds,
        }
    )
    report = shown(run, signals, wanted, out, describe=describe, observe=Announcer(out, signals))
    tell(out, report, signals)
    return report


def describe(glance: ReproduceProgress) -> Sequence[str]:
    """Progress: one line that stands alone."""
    lead = f"{show_seconds(glance['seconds']):>7}"
    if glance["phase"] == "shrink":
        return (lead + shrinking(glance),)
    return (
        f"{lead}  reproducing: {show_count(glance['programs'])} programs  "
        f"{show_count(glance['schedules'])} schedules",
    )


def tell_unmet(out: Output, core: Core, breaks: Sequence[tuple[str, str]]) -> None:
    """Where a wrong rule shows that real threads did not meet: its window may be too small."""
    for known in core.catalogue()["known"]:
        if len(known["wrong"]) == 1 and (known["rule"], known["value"]) in breaks:
            out.result(
                f"Not met by real threads: {wrong(known)} is wrong all the same. "
                f"The explorer shows how: {explore(known)}"
            )


def tell(out: Output, report: ReproduceReport, signals: Signals) -> None:
    """The race as the explorer sees it, or that it was not found."""
    effort = (
        f"{counted(report['programs'], 'program')}, {counted(report['schedules'], 'schedule')}, "
        f"{show_seconds(report['seconds'])}"
    )
    found = report["found"]
    if found is None:
        words = out.paint("not reproduced", Ink.WARN)
        partial = (
            "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
        )
        out.result(f"Explorer: {words} ({effort}); what real threads saw stands.{partial}")
        return
    out.result(diagram(out, found["text"]))
    how = "reproduced" if report["exact"] else "under these rules the ledger objects first to this"
    out.result(f"Explorer: {how}: {found_words(out, found)} ({effort}).")
    ending(out, found)
