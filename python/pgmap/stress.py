"""``python -m pgmap.stress``: real threads on one emulated machine, every page's life checked.

The command draws a seed, hands the core a configuration, watches, and tells what was found. What
it says is bounded by what was done: no report is no proof, and the seed fixes each thread's list
of operations, not how the threads interleave.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pgmap
from pgmap import _cli, _core_api
from pgmap._args import (
    THREADS_MAX,
    add_known,
    add_rules,
    count,
    duration,
    fresh_seed,
    show_count,
    show_seconds,
    show_seed,
)
from pgmap._core_explore import ReproduceReport
from pgmap._core_reports import StressProgress, StressReport, Violation
from pgmap._drive import Records, drive
from pgmap._exit import Exit, worst
from pgmap._objects import StressObject
from pgmap._output import Ink, Output, Verbosity
from pgmap._progress import showing
from pgmap._reproduce import reproduce, tell_unmet
from pgmap._signals import Signals
from pgmap._weak import tell_silence
from pgmap._words import counted

DEFAULT_MIX = "default"
DEFAULT_SECONDS = 10.0
DEFAULT_WATCHDOG = 10.0
DEFAULT_EXPLAIN = 10.0
HONESTY = "Absence of a report is not a proof"
SEED_SAYS = "the seed fixes the op lists, not the interleaving"


@dataclass(frozen=True)
class Config:
    """One stress run, as the core is told."""

    era: str
    breaks: tuple[tuple[str, str], ...]
    seed: int
    threads: int
    mix: str
    pages: int | None
    seconds: float | None
    ops: int | None
    watchdog: float
    max_failures: int | None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Config:
        """Settle what the command line left open."""
        seconds = args.seconds
        if seconds is None and args.ops is None:
            seconds = DEFAULT_SECONDS
        return cls(
            era=args.era,
            breaks=tuple(args.breaks),
            seed=fresh_seed() if args.seed is None else args.seed,
            threads=args.threads,
            mix=args.mix,
            pages=args.pages,
            seconds=seconds,
            ops=args.ops,
            watchdog=args.watchdog,
            max_failures=None if args.keep_going else args.max_failures,
        )

    def command_line(self) -> str:
        """The command that runs the same op lists again."""
        words = ["python", "-m", "pgmap.stress", "--era", self.era]
        for name, value in self.breaks:
            words += ["--break", f"{name}={value}"]
        words += ["--threads", str(self.threads)]
        if self.mix != DEFAULT_MIX:
            words += ["--mix", self.mix]
        if self.pages is not None:
            words += ["--pages", str(self.pages)]
        if self.seconds is not None:
            words += ["--for", f"{self.seconds:g}s"]
        if self.ops is not None:
            words += ["--ops", str(self.ops)]
        return shlex.join([*words, "--seed", show_seed(self.seed)])


class Stress:
    """The command."""

    name = "stress"
    summary = "hammer an emulated fsdax file with real threads, each page's life checked"
    about = (
        "Real threads pin, unpin, fault, unmap, truncate, punch, write, unlink and unbind on one\n"
        "emulated machine under the lifetime rules of a kernel (--era), with one of them broken\n"
        "if you like (--break). Owner and generation of every page are checked at each access;\n"
        "at join points every count must be exactly what the holders add up to."
    )
    examples = (
        ("python -m pgmap.stress", "ten seconds under sound rules; clean unless pgmap is wrong"),
        (
            "python -m pgmap.stress --break gup-pte-recheck=off --for 30s",
            "what goes wrong when gup_fast does not look at the PTE again",
        ),
        (
            "python -m pgmap.stress --era v6.15 --for 5m --json - --progress none",
            "the rules as shipped, known races reported as known, machine-readable",
        ),
    )
    objects = (StressObject,)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a stress run."""
        world = parser.add_argument_group("what runs")
        add_rules(world)
        add_known(world)
        world.add_argument(
            "--threads", type=count(1, THREADS_MAX), default=4, metavar="N", help="default 4"
        )
        world.add_argument(
            "--mix",
            default=DEFAULT_MIX,
            metavar="NAME",
            help="which operations, how often: default, gup or files",
        )
        world.add_argument(
            "--pages", type=count(1, 1 << 28), metavar="N", help="pages of the emulated device"
        )
        world.add_argument(
            "--watchdog",
            type=duration,
            default=DEFAULT_WATCHDOG,
            metavar="TIME",
            help="CPU time after which a call that does not end is given up: no verdict "
            "(default 10s)",
        )
        failures = world.add_mutually_exclusive_group()
        failures.add_argument(
            "--max-failures", type=_cli.positive, default=1, metavar="N", help="default 1"
        )
        failures.add_argument(
            "--keep-going", action="store_true", help="do not stop at violations at all"
        )
        explaining = world.add_mutually_exclusive_group()
        explaining.add_argument(
            "--explain",
            type=duration,
            default=DEFAULT_EXPLAIN,
            metavar="TIME",
            help="how long the explorer may look for what was found, to tell it (default 10s)",
        )
        explaining.add_argument(
            "--no-explain", action="store_true", help="leave what was found untold"
        )
        _cli.add_budget(parser, "10s")

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Start, watch, report."""
        config = Config.of(args)
        out.facts.update(
            config={**asdict(config), "seed": show_seed(config.seed)}, build=dict(core.build_info())
        )
        records = Records(args.out, out.note)
        run = core.stress_start(asdict(config))
        out.detail(header(config))
        announcer = Announcer(out, known=args.known)
        with showing(args.progress, out) as progress:

            def observe(glance: StressProgress) -> None:
                fresh = announcer.take_new(glance["violations"])
                if fresh:
                    with progress.aside():
                        announcer.tell(fresh)
                    for violation in fresh:
                        records.write("violation", violation)
                records.offer(glance)

            records.write("start", out.facts)
            report = drive(
                run,
                signals,
                progress,
                describe=describe,
                observe=observe,
            )
        for violation in announcer.take_new(report["violations"]):
            announcer.tell([violation])
            records.write("violation", violation)
        code = verdict(report, signals, known=args.known)
        summarise(out, config, report, code, signals, known=args.known)
        tell_silence(out, core, config.breaks)
        if code is Exit.OK:
            tell_unmet(out, core, config.breaks)
        out.facts.update(report)  # whatever becomes of the explanation
        told = {**report, "reproduced": explain(args, config, report, out, core, signals)}
        records.close({**out.facts, **told, "exit": int(code)})
        return _cli.Outcome(code, told)


def explain(
    args: argparse.Namespace,
    config: Config,
    report: StressReport,
    out: Output,
    core: _core_api.Core,
    signals: Signals,
) -> ReproduceReport | None:
    """Have the explorer find again what was seen, unless nobody waits for that."""
    if args.no_explain or signals.stopped_by is not None:
        return None
    return reproduce(report, config.breaks, args.explain, args.progress, out, core, signals)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Stress(), argv)


if __name__ == "__main__":
    sys.exit(main())
