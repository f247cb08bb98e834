"""How a stress run is told: each violation once, and at its end what ran and what was found.

What is said is bounded by what was done: no report is no proof, and the seed fixes each thread's
list of operations, not how the threads interleave.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

import pgmap
from pgmap._args import show_count, show_seconds, show_seed
from pgmap._core_reports import StressProgress, StressReport, Violation
from pgmap._exit import Exit, worst
from pgmap._output import Ink, Output, Verbosity
from pgmap._signals import Signals
from pgmap._stress_config import Config
from pgmap._words import counted

HONESTY = "Absence of a report is not a proof"
SEED_SAYS = "the seed fixes the op lists, not the interleaving"


def header(config: Config) -> str:
    """The first line: everything needed to judge or repeat the run."""
    broken = "".join(f"  {name}={value}" for name, value in config.breaks)
    return (
        f"pgmap {pgmap.__version__} stress  era={config.era}{broken}  "
        f"threads={config.threads}/{os.cpu_count()}cpu  seed {show_seed(config.seed)}"
    )


def describe(glance: StressProgress) -> Sequence[str]:
    """Progress: one line that stands alone, then detail for a live display."""
    seconds, ops = glance["seconds"], glance["ops"]
    rate = ops / seconds if seconds > 0 else 0.0
    news = sum(1 for v in glance["violations"] if v["known"] is None)
    top = sorted(glance["op_counts"].items(), key=lambda item: -item[1])
    shares = "  ".join(f"{name} {n / max(ops, 1):.0%}" for name, n in top[:5])
    slow = "  ".join(f"{name} {show_count(n)}" for name, n in glance["slow_paths"].items())
    return (
        f"{show_seconds(seconds):>7}  {show_count(ops):>7} ops  {show_count(rate):>6}/s  "
        f"violations {news}  rss {glance['rss_kib'] / 1024:.0f}M",
        f"         {shares}",
        f"         {slow}",
    )


class Announcer:
    """Tells each violation once."""

    def __init__(self, out: Output, *, known: bool = False) -> None:
        self._out = out
        self._known = known
        self._told = 0

    def take_new(self, violations: Sequence[Violation]) -> Sequence[Violation]:
        """Return those not seen yet; the core only ever appends."""
        fresh = violations[self._told :]
        self._told += len(fresh)
        return fresh

    def tell(self, violations: Sequence[Violation]) -> None:
        """Print a line for each: news always, known races when asked for detail."""
        for violation in violations:
            line = violation_line(violation)
            if not is_news(violation, known=self._known):
                self._out.detail(f"known {violation['known']}: {line}", Verbosity.VERBOSE)
                continue
            self._out.result(f"{self._out.paint('VIOLATION', Ink.BAD)} {line}")
            if violation["detail"]:
                self._out.detail(f"  {violation['detail']}")


def violation_line(violation: Violation) -> str:
    """Name the invariant, the page and the parties."""
    return (
        f'{violation["invariant"]} "{violation["title"]}": page {violation["page"]}: '
        f"{' / '.join(violation['parties'])} "
        f"(after {show_seconds(violation['seconds'])}, round {violation['round']})"
    )


def is_news(violation: Violation, *, known: bool) -> bool:
    """Whether it is a finding: with ``known`` also a race that the era is known to have."""
    return known or violation["known"] is None


def verdict(report: StressReport, signals: Signals, *, known: bool = False) -> Exit:
    """How the run ends. A violation wins over an interruption; nothing run is never green."""
    codes = [Exit.OK]
    if any(is_news(v, known=known) for v in report["violations"]):
        codes.append(Exit.FOUND)
    if report["complete"] and not report["quiescent"]:
        codes.append(Exit.FOUND)
    if report["hang"] is not None:
        codes.append(Exit.HANG)
    if report["no_verdict"] is not None:
        codes.append(Exit.INCONCLUSIVE)
    if signals.exit is not None:
        codes.append(signals.exit)
    if report["ops"] == 0:
        codes.append(Exit.NOTHING_RAN)
    return worst(codes)


def summarise(
    out: Output,
    config: Config,
    report: StressReport,
    code: Exit,
    signals: Signals,
    *,
    known: bool,
) -> None:
    """Print the end of the run: what ran, what was found, how to run it again."""
    slow = "  ".join(f"{name} {n:,}" for name, n in report["slow_paths"].items())
    ops = "  ".join(f"{name} {n:,}" for name, n in report["op_counts"].items())
    if ops:
        out.detail(f"Operations: {ops}", Verbosity.VERBOSE)
    if slow:
        out.detail(f"Slow paths: {slow}")
    for line in (*hang_lines(report), *no_verdict_lines(report, config)):
        out.result(line)
    met = known_counts(report)
    if met:
        listed = ", ".join(f"{race} ({n}x)" for race, n in met.items())
        out.result(f"Known races of {report['era']}, seen again: {listed}")
    if report["complete"] and not report["quiescent"]:
        out.result(
            f"{out.paint('NOT QUIESCENT', Ink.BAD)}: at the last join point the counts were not "
            "what the holders add up to"
        )
    out.result(result_line(out, config, report, code, signals, known=known))
    out.result(f"Again: {config.command_line()}  ({SEED_SAYS})")


def hang_lines(report: StressReport) -> list[str]:
    """Who waits for what, and who holds it."""
    hang = report["hang"]
    if hang is None:
        return []
    words = {
        "lost wake-up": f"what {hang['sleeper']} sleeps for is true, and nobody wakes it",
        "deadlock": "those who sleep wait for each other, or for what nobody is left to do",
    }
    ring = " -> ".join(hang["ring"])
    return [
        f"HANG: {hang['kind']}: {words[hang['kind']]}",
        *([f"  in a ring: {ring}"] if ring else []),
        *(f"  waiting: {line}" for line in hang["waiters"]),
        *(f"  holding: {line}" for line in hang["holders"]),
    ]


def no_verdict_lines(report: StressReport, config: Config) -> list[str]:
    """What only a clock can show, and who can show more."""
    told = report["no_verdict"]
    if told is None:
        return []
    words = ["python", "-m", "pgmap.explore", "--hunt", "all", "--era", config.era]
    for name, value in config.breaks:
        words += ["--break", f"{name}={value}"]
    return [
        f"NO VERDICT: {told}; real threads cannot tell whether it ever does.",
        f"The explorer can: {shlex.join(words)}",
    ]


def known_counts(report: StressReport) -> dict[str, int]:
    """How often each known race was seen."""
    counts: dict[str, int] = {}
    for violation in report["violations"]:
        if violation["known"] is not None:
            counts[violation["known"]] = counts.get(violation["known"], 0) + 1
    return counts


def result_line(
    out: Output,
    config: Config,
    report: StressReport,
    code: Exit,
    signals: Signals,
    *,
    known: bool,
) -> str:
    """One honest sentence."""
    news = sum(1 for v in report["violations"] if is_news(v, known=known))
    seconds = report["rss"][-1][0] if report["rss"] else 0.0
    facts = (
        f"in {show_seconds(seconds)} ({counted(report['ops'], 'op')}, "
        f"{counted(report['rounds'], 'round')}, {counted(report['threads'], 'thread')}, "
        f"seed {show_seed(config.seed)})"
    )
    match code:
        case Exit.FOUND if news:
            words = out.paint(counted(news, "violation"), Ink.BAD)
        case Exit.FOUND:
            words = out.paint("not quiescent", Ink.BAD)
        case Exit.HANG:
            words = out.paint("a hang", Ink.BAD)
        case Exit.INCONCLUSIVE:
            words = out.paint("no verdict", Ink.WARN)
        case Exit.NOTHING_RAN:
            return f"Result: {out.paint('nothing ran', Ink.BAD)} {facts}, so nothing was tested."
        case Exit.OK:
            old = any(found["known"] for found in report["violations"])
            words = out.paint("no violation that is news" if old else "no violation", Ink.GOOD)
        case _:
            words = "no violation so far"
    ending = f" {HONESTY}." if code in (Exit.OK, Exit.INTERRUPTED, Exit.TERMINATED) else ""
    partial = "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
    return f"Result: {words} {facts}.{partial}{ending}"
