"""``python -m pgmap.bench``: what each primitive costs, as a ratio to a floor.

Absolute times mean little on a shared machine. Each row is the cost of a primitive divided by the
cost of the atomics it cannot do without, both measured in the same rounds; limits are on ratios
only, are judged on the processors they were set on, and where the noise allows it (`_judge`). One
row is measured here: what a call into a world costs a Python program.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import pgmap
from pgmap import _cli, _core_api, _kills, _memory
from pgmap._args import show_seconds
from pgmap._bench_options import CORE, FOLIO_TRY_GET, PGMAP, add_options, check_options
from pgmap._bench_table import break_even, checked, draw, undecided
from pgmap._compared import compare, kept
from pgmap._core_reports import BenchProgress, BenchReport, BenchRow
from pgmap._counted import table
from pgmap._drive import Records, shown
from pgmap._exit import Exit, worst
from pgmap._judge import ITSELF, Judgement, compared, judge, read_null
from pgmap._objects import BenchObject, CountObject, KillObject, MemoryObject
from pgmap._output import Output
from pgmap._plotted import plot
from pgmap._signals import Signals

NOP = "World.nop, detached"
#: Two real calls, whose limit depends on what calls and locked instructions cost here.
CALLED = "percpu_ref get+put, called"
NOP_ROUNDS = 45
NOP_CALLS = 2_000
NOP_LIMITS = {"AMD EPYC (family 25 model 17)": 5.0}
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


class Bench:
    """The command."""

    name = "bench"
    summary = "measure the core's primitives as ratios to their floors"
    about = (
        "Measures each primitive and, in the same rounds, the bare atomics it cannot do without.\n"
        "Rows are ratios with their quartiles. A limit is judged on the processors it was set on.\n"
        "A row is over its limit when its quartiles are, and noisy when the limit lies between\n"
        "them or two equal loops differ: one missed limit makes the exit code 1; limits none of\n"
        "which could be judged for noise make it 6. The suites refcount, pgmap, alloc and\n"
        "folio-try-get compare and set no limits; a floor that differs from itself by 3 % voids\n"
        "what is measured against it, and nothing left to tell makes it 6."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.bench core", "all rows"),
        ("python -m pgmap.bench core --only try_get --only gup_fast", "rows of these names"),
        ("python -m pgmap.bench core --for 2m --json -", "longer rounds, machine-readable"),
        ("python -m pgmap.bench refcount", "reference-count schemes against each other"),
        (
            "python -m pgmap.bench refcount --count",
            "what each asks of the machine, counted: exact, and the same everywhere",
        ),
        ("python -m pgmap.bench refcount --kill 10000", "how long kills take"),
        ("python -m pgmap.bench pgmap", "what a reference on the pagemap costs GUP"),
        ("python -m pgmap.bench alloc", "pgmap_alloc_folios beside a buddy, a bitmap and counters"),
        (
            "python -m pgmap.bench folio-try-get",
            "the four ways to folio_try_get, checked",
        ),
    )
    objects: tuple[type, ...] = (BenchObject, CountObject, KillObject, MemoryObject)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a benchmark."""
        add_options(parser)

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Measure, tell, judge."""
        check_options(args)
        if args.count:
            return counted(args, out, core)
        if args.kill is not None:
            return killed(args, out, core)
        if args.memory:
            return remembered(args, out, core)
        old = None if args.compare is None else kept(args.compare)
        suite = f"{args.suite} --workload" if args.workload else args.suite
        build = dict(core.build_info())
        config = {"suite": suite, "seconds": args.seconds, "only": list(args.only)}
        cautions = list(warnings_in_words(build))
        out.facts.update(
            suite=suite,
            config=config,
            build=build,
            cpus=os.cpu_count(),
            cautions=cautions,
        )
        records = Records(args.out, out.note)
        run = core.bench_core(config)
        out.detail(f"pgmap {pgmap.__version__} bench {suite}  {os.cpu_count()} cpus")
        for caution in cautions:
            out.note(f"caution: {caution}")
        report = shown(run, signals, args.progress, out, describe=describe, observe=records.offer)
        ours = args.suite == CORE and wanted(NOP, args.only)
        if signals.exit is None and ours and (nop := core_nop(core)) is not None:
            report["rows"].append(nop_row(nop, str(environment(report).get("cpu"))))
        for row in report["rows"]:
            if not args.raw:
                row.pop("raw", None)
        for caution in doubts(report, args.suite):
            out.note(f"caution: {caution}")
            cautions.append(caution)
        judgement_of = judge if args.suite == CORE else compared
        judged = [(row, judgement_of(row, environment(report))) for row in report["rows"]]
        code = exit_of([judgement for _, judgement in judged], signals)
        for line in draw(judged, out):
            out.result(line)
        if args.suite != CORE:
            for line in undecided(judged):
                out.result(line)
        if args.suite == PGMAP:
            for line in break_even(judged):
                out.result(line)
        findings = core.folio_try_get_verdicts() if args.suite == FOLIO_TRY_GET else []
        for line in checked(findings):
            out.result(line)
        if old is not None:
            code = worst([code, *compare(old, report, args.fail_below, out)])
        if args.plot is not None:
            try:
                plot(args.plot, judged, environment(report))
            except OSError as error:
                out.note(f"no picture in {args.plot}: {error.strerror}")
        out.result(result_line([judgement for _, judgement in judged], signals))
        rows = [{**row, "judgement": judgement.value} for row, judgement in judged]
        answer: dict[str, Any] = {**report, "rows": rows}
        if findings:
            answer["verdicts"] = findings
        records.close({**out.facts, **answer, "exit": int(code)})
        return _cli.Outcome(code, answer)


def counted(args: argparse.Namespace, out: Output, core: _core_api.Core) -> _cli.Outcome:
    """Count what each scheme asks of the machine."""
    counts = [count for count in core.refcount_counts() if wanted(count["name"], args.only)]
    for line in table(counts):
        out.result(line)
    code = Exit.OK if counts else Exit.NOTHING_RAN
    out.result(f"Result: {len(counts)} schemes")
    return _cli.Outcome(code, {"suite": args.suite, "counts": counts, "complete": True})


def killed(args: argparse.Namespace, out: Output, core: _core_api.Core) -> _cli.Outcome:
    """Time kills."""
    report = core.refcount_kills(args.kill)
    for line in _kills.table(report):
        out.result(line)
    out.result(f"Result: {len(report['schemes'])} schemes")
    return _cli.Outcome(Exit.OK, {**report, "suite": args.suite, "complete": True})


def remembered(args: argparse.Namespace, out: Output, core: _core_api.Core) -> _cli.Outcome:
    """Tell what counts take."""
    footprints = core.refcount_bytes([*_memory.CPUS])
    footprints = [found for found in footprints if wanted(found["scheme"], args.only)]
    for line in _memory.table(footprints):
        out.result(line)
    code = Exit.OK if footprints else Exit.NOTHING_RAN
    out.result(f"Result: {len(footprints)} schemes")
    answer = {"suite": args.suite, "footprints": footprints, "complete": True}
    return _cli.Outcome(code, answer)


def environment(report: BenchReport) -> dict[str, Any]:
    """The machine of a report, and what its control rows said."""
    return report.get("environment", {})


def exit_of(judgements: Sequence[Judgement], signals: Signals) -> Exit:
    """One limit missed is a finding; rows of which not one could be judged are no verdict."""
    if not judgements:
        codes = [Exit.NOTHING_RAN]
    elif Judgement.MISSED in judgements:
        codes = [Exit.FOUND]
    elif Judgement.NOISY in judgements and not {Judgement.KEPT, Judgement.COMPARED} & {*judgements}:
        codes = [Exit.INCONCLUSIVE]
    else:
        codes = [Exit.OK]
    return worst(codes if signals.exit is None else [*codes, signals.exit])


def result_line(judgements: Sequence[Judgement], signals: Signals) -> str:
    """How many rows of each kind; those missed are always said."""
    words = {
        Judgement.MISSED: "missed their limit",
        Judgement.NOISY: "too noisy to judge",
        Judgement.UNSET: "without a limit for this processor",
    }
    counts = {judgement: judgements.count(judgement) for judgement in words}
    told = [
        f"{count} {words[judgement]}"
        for judgement, count in counts.items()
        if count or judgement is Judgement.MISSED
    ]
    ending = "" if signals.stopped_by is None else f"; interrupted by {signals.stopped_by.name}"
    return f"Result: {', '.join([f'{len(judgements)} rows', *told])}{ending}"


def warnings_in_words(build: dict[str, object]) -> Iterator[str]:
    """Say what makes figures from here worth less."""
    if build.get("debug_assertions"):
        yield "this build has debug assertions; its ratios mean nothing"
    if (os.cpu_count() or 1) < 4:
        yield f"{os.cpu_count()} cpus: rows with two threads share them with everything else"
    try:
        governor = _GOVERNOR.read_text(encoding="ascii").strip()
    except OSError:
        return
    if governor != "performance":
        yield f"frequency scaling is on (governor {governor})"


def wanted(name: str, only: Sequence[str]) -> bool:
    """Whether a row is asked for."""
    return not only or any(part in name for part in only)


def core_nop(core: _core_api.Core) -> Callable[[], object] | None:
    """Return a no-op of a fresh world that detaches from the interpreter, if the core has one."""
    world = getattr(core, "World", None)
    return None if world is None else world().nop


def nop_row(nop: Callable[[], object], processor: str, rounds: int = NOP_ROUNDS) -> BenchRow:
    """Compare a world's no-op with ``len([])``: rounds of floor, subject, subject, floor."""
    empty: list[object] = []

    def floor() -> int:
        start = time.perf_counter_ns()
        for _ in repeat(None, NOP_CALLS):
            len(empty)
        return time.perf_counter_ns() - start

    def subject() -> int:
        start = time.perf_counter_ns()
        for _ in repeat(None, NOP_CALLS):
            nop()
        return time.perf_counter_ns() - start

    floor(), subject()
    raw = []
    for _ in range(rounds):
        before, first, second, after = floor(), subject(), subject(), floor()
        calls = 2 * NOP_CALLS
        raw.append(((first + second) / calls, (before + after) / calls))
    ratios = sorted(of / over for of, over in raw)
    low, middle, high = statistics.quantiles(ratios, method="inclusive")
    off = round(0.98 * rounds**0.5)
    return {
        "name": NOP,
        "ratio": middle,
        "limit": NOP_LIMITS.get(processor),
        "set_on": NOP_LIMITS,
        "sense": "at most",
        "spread": (low, high),
        "sure": (ratios[max(0, rounds // 2 - off)], ratios[min(rounds - 1, rounds // 2 + off)]),
        "floor": "len([])",
        "unit": "ns per call",
        "rounds": rounds,
        "figures": (
            statistics.median(of for of, _ in raw),
            statistics.median(over for _, over in raw),
        ),
        "raw": raw,
    }


def doubts(report: BenchReport, suite: str) -> Iterator[str]:
    """Say what the run itself found that makes its ratios worth less."""
    found = environment(report)
    for null in found.get("nulls", ()):
        of = "" if null["floor"] == ITSELF else f" ({null['floor']})"
        if read_null(null).is_off:
            off = abs(null["ratio"] - 1)
            yield f"two equal loops differ by {off:.1%} here{of}; nothing beside them can be judged"
        elif read_null(null).is_void and suite != CORE:
            yield f"so few rounds cannot tell two equal loops apart here{of}: measure for longer"
    for name, why in found.get("left_out", ()):
        yield f"{name} was left out: {why}"
    bare = found.get("bare_calls_ratio")
    if isinstance(bare, float):
        for row in report["rows"]:
            limit = row["limit"]
            if row["name"] == CALLED and limit is not None and limit < bare:
                yield (
                    f"two calls that only add take {bare:.2f} of a locked pair here: "
                    f"{CALLED} cannot keep {limit:g}"
                )


def describe(glance: BenchProgress) -> Sequence[str]:
    """Progress in one line."""
    return (f"{show_seconds(glance['seconds']):>7}  round {glance['rounds']}  {glance['current']}",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Bench(), argv)


if __name__ == "__main__":
    sys.exit(main())
