"""Reports of a core that only answers, each with whatever a test wants to be otherwise."""

from __future__ import annotations

from typing import Any

from fake_facts import PROGRAM
from pgmap._core_explore import (
    BoundReport,
    CoverageReport,
    ExploreReport,
    FoundReport,
    HuntReport,
    Replayed,
    ReproduceReport,
    RunReport,
    Setting,
)
from pgmap._core_reports import (
    BenchReport,
    BenchRow,
    Conformance,
    Footprint,
    Hang,
    KillReport,
    Percentiles,
    SchemeBytes,
    SchemeCount,
    SchemeFinding,
    StressReport,
    Traffic,
    Violation,
)


def violation(**changes: Any) -> Violation:
    base: Violation = {
        "invariant": "I18",
        "title": "a block is handed out again only when its page is idle",
        "page": 17,
        "parties": ["gup_fast (w1)", "dax_truncate (w0)"],
        "operations": ["get", "ftruncate"],
        "detail": "generation 4 at the pin, 5 at the access",
        "known": None,
        "round": 12,
        "seconds": 4.2,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def stress_report(**changes: Any) -> StressReport:
    base: StressReport = {
        "era": "v6.15-sound",
        "rules": {"gup-pte-recheck": "on"},
        "broken": [],
        "seed": "0x0000000000000007",
        "threads": 4,
        "ops": 28_900_000,
        "op_counts": {"pin": 20_000_000, "truncate": 8_900_000},
        "slow_paths": {"recheck_lost": 1234, "layout_slept": 2345},
        "rounds": 100,
        "quiescent": True,
        "violations": [],
        "hang": None,
        "no_verdict": None,
        "rss": [(0.0, 10_000), (10.0, 10_100)],
        "complete": True,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def hang(**changes: Any) -> Hang:
    base: Hang = {
        "kind": "deadlock",
        "sleeper": None,
        "ring": ["w0", "w1", "w0"],
        "waiters": ["w0: page 3 idle"],
        "holders": ["w1: pin of page 3"],
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def conformance(**changes: Any) -> Conformance:
    base: Conformance = {
        "equal": True,
        "unsupported": [],
        "kernel": "6.16.12",
        "scenario": "ext4_pte_lifecycle",
        "era": "v6.15",
        "nearest": False,
        "steps": 20,
        "compared": 180,
        "difference": None,
        "table": [],
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


PROCESSOR = "Some Processor (family 1 model 2)"


def null_row(
    ratio: float = 1.0,
    spread: tuple[float, float] = (0.99, 1.01),
    floor: str = "itself",
    sure: tuple[float, float] = (0.995, 1.005),
) -> dict[str, Any]:
    """A floor against itself, as the core tells it."""
    return {"floor": floor, "ratio": ratio, "spread": spread, "sure": sure, "ns": 9.0}


def bench_report(*rows: BenchRow, **environment: Any) -> BenchReport:
    quiet = {"cpu": PROCESSOR, "nulls": [null_row()]}
    return {"rows": list(rows), "complete": True, "environment": {**quiet, **environment}}


def scheme_finding(**changes: Any) -> SchemeFinding:
    base: SchemeFinding = {
        "variant": "frozen bit",
        "asked": "a life ends once",
        "verdict": "kept",
        "bound": 3,
        "preemptions": None,
        "schedules": 52,
        "why": None,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def kill_report(kills: int) -> KillReport:
    times: Percentiles = {"p50": 60, "p99": 12_345, "p999": 20_000, "most": 1_000_000}
    return {
        "kills": kills,
        "floor": {**times, "p50": 20},
        "schemes": [
            {"scheme": "percpu", "quiet": times, "busy": {**times, "p50": 11_000}},
            {"scheme": "closed cells", "quiet": times, "busy": None},
        ],
    }


def footprint(cpus: list[int], of: int = 4) -> Footprint:
    machines: list[SchemeBytes] = [{"cpus": n, "page": of, "pagemap": of * n} for n in cpus]
    return {"scheme": f"of {of}", "group": f"group of {of}", "machines": machines}


def scheme_count(**changes: Any) -> SchemeCount:
    alone: Traffic = {"locked": 2, "loads": 1, "stores": 0, "hand_offs": 0}
    pairs: Traffic = {"locked": 8, "loads": 4, "stores": 0, "hand_offs": 8}
    base: SchemeCount = {
        "name": "cas",
        "group": "zero at put",
        "alone": alone,
        "shared": {"cpus": 4, "pairs": pairs, "operations": {**pairs, "locked": 11}},
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def bench_row(**changes: Any) -> BenchRow:
    base: BenchRow = {
        "name": "try_get+put",
        "ratio": 1.05,
        "limit": 1.1,
        "set_on": {PROCESSOR: 1.1},
        "sense": "at most",
        "spread": (1.03, 1.07),
        "sure": (1.04, 1.06),
        "floor": "CAS + locked decrement",
        "unit": "ns",
        "rounds": 40,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


TOKEN = "pgm3:AAAA"


def setting(**changes: Any) -> Setting:
    base: Setting = {
        "era": "v6.15-sound",
        "broken": [],
        "without": [],
        "geometry": {"pmd_order": 2, "cpus": 2, "pages": 16},
        "tasks": 2,
        "memory": "sc",
        "tlb": "on-access",
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def bound(number: int | None, **changes: Any) -> BoundReport:
    base: BoundReport = {
        "bound": number,
        "schedules": 1234,
        "pruned": 56,
        "failures": 0,
        "too_long": 0,
        "points": 78_900,
        "repeated": 50_000,
        "cut": 20_000,
        "longest": 144,
        "states": 999,
        "refused": 0,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def found(**changes: Any) -> FoundReport:
    base: FoundReport = {
        "mends": [],
        "finding": {
            "sort": "violation",
            "invariant": "I22",
            "title": "a page is free only when no CPU can reach it",
            "page": 5,
            "parties": ["w1 ftruncate", "w0 munmap"],
            "detail": "",
            "waits": [],
            "blame": "rules",
            "known": None,
            "goes_away_with": None,
        },
        "preemptions": 1,
        "drawn": None,
        "token": TOKEN,
        "program": PROGRAM,
        "setting": setting(broken=["zap-put=before-flush"]),
        "events": 144,
        "switches": 2,
        "report": {"title": "stale translation"},
        "text": "====\nBUG: pgmap: stale translation in munmap / truncate\n====\n",
        "shrunk": {
            "tried": 20,
            "kept": 3,
            "complete": True,
            "from": {"tasks": 3, "steps": 9},
            "to": {"tasks": 2, "steps": 4},
        },
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def explore_report(**changes: Any) -> ExploreReport:
    base: ExploreReport = {
        "verdict": "exhausted",
        "bound": 2,
        "why": None,
        "waiting": 0,
        "known": [],
        "again": 0,
        "outcomes": [
            {"step": "w0.1", "label": None, "text": "munmap 0", "results": {"0": 87}},
            {"step": "w1.1", "label": None, "text": "ftruncate f 0", "results": {"0": 87}},
        ],
        "warnings": [],
        "strangers": [],
        "unseen": [],
        "lock_orders": [],
        "too_long": 0,
        "max_steps": 100_000,
        "program": PROGRAM,
        "setting": setting(),
        "bounds": [bound(0), bound(1), bound(2)],
        "strategy": "portfolio",
        "seed": "0x0000000000000001",
        "threads": 2,
        "coverage": None,
        "asked": {"preemptions": 2, "schedules": None},
        "search_seconds": 0.5,
        "remaining": None,
        "found": None,
        "complete": True,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def run_report(**changes: Any) -> RunReport:
    base: RunReport = {
        "program": PROGRAM,
        "setting": setting(),
        "set_up": [{"line": 2, "text": "w0 mmap 0 f 0 1 rw shared", "outcome": "0"}],
        "steps": [
            {
                "line": 4,
                "step": "w0.1",
                "label": None,
                "text": "munmap 0",
                "outcome": "0",
                "failed": False,
            }
        ],
        "ended": "through",
        "finding": None,
        "waits": [],
        "why": None,
        "warnings": [],
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def drawn(**changes: Any) -> CoverageReport:
    base: CoverageReport = {
        "executions": 1000,
        "failures": 0,
        "too_long": 0,
        "points": 144_000,
        "longest": 160,
        "classes": 345,
        "singletons": 123,
        "unseen": 0.123,
        "exact": True,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def hunt_report(**changes: Any) -> HuntReport:
    base: HuntReport = {
        "verdict": "exhausted",
        "why": None,
        "known": [],
        "too_long": 0,
        "max_steps": 100_000,
        "words": ["mmap", "touch"],
        "ops": 3,
        "programs": 120,
        "drawn": 0,
        "senseless": 30,
        "schedules": 4567,
        "seconds": 0.5,
        "found": None,
        "shortest": False,
        "complete": True,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def reproduce_report(**changes: Any) -> ReproduceReport:
    base: ReproduceReport = {
        "programs": 12,
        "schedules": 4567,
        "seconds": 0.5,
        "exact": False,
        "found": None,
        "complete": True,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def replayed(**changes: Any) -> Replayed:
    base: Replayed = {
        "outcome": "reproduced",
        "step": None,
        "why": None,
        "own_rules": True,
        "left_at": None,
        "program": PROGRAM,
        "setting": setting(),
        "events": 144,
        "found": found(),
        "steps": None,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base
