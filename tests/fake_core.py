"""A core that does nothing but answer, for tests of the commands around it.

Each fake says what it was asked and answers what the test prepared; its types are those of the
real core, so mypy notices when the two drift apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgmap._core_explore import (
    BoundReport,
    CoverageReport,
    ExploreProgress,
    ExploreReport,
    FoundFirst,
    FoundReport,
    HuntProgress,
    HuntReport,
    Replayed,
    ReproduceProgress,
    ReproduceReport,
    Revealed,
    RunReport,
    Setting,
)
from pgmap._core_facts import Catalogue, Facts, KnownRule, Race
from pgmap._core_reports import (
    BenchProgress,
    BenchReport,
    BenchRow,
    Conformance,
    Hang,
    StressProgress,
    StressReport,
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
        "steps": 20,
        "compared": 180,
        "difference": None,
        "table": [],
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


PROCESSOR = "Some Processor (family 1 model 2)"


def bench_report(*rows: BenchRow, **environment: Any) -> BenchReport:
    quiet = {"cpu": PROCESSOR, "null_ratio": 1.0, "null_spread": (0.99, 1.01)}
    return {"rows": list(rows), "complete": True, "environment": {**quiet, **environment}}


def bench_row(**changes: Any) -> BenchRow:
    base: BenchRow = {
        "name": "try_get+put",
        "ratio": 1.05,
        "limit": 1.1,
        "set_on": {PROCESSOR: 1.1},
        "sense": "at most",
        "spread": (1.03, 1.07),
        "floor": "CAS + locked decrement",
        "unit": "ns",
        "rounds": 40,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


PROGRAM = "file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 munmap 0\nw1 ftruncate f 0\n"
TOKEN = "pgm3:AAAA"


def race(rule: str, value: str, invariant: str | None, note: str, **changes: Any) -> Race:
    base: Race = {
        "name": rule,
        "number": None,
        "title": f"{rule} is wrong",
        "kind": "race",
        "era": "v6.15-sound",
        "wrong": [(rule, value)],
        "right": [],
        "invariant": invariant,
        "sources": ["a thread"],
        "note": note,
        "teaches": "Who is first, and who comes too late.",
        "rule": rule,
        "value": value,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def known_race(
    rule: str, value: str, invariant: str | None, note: str, **changes: Any
) -> KnownRule:
    base: KnownRule = {
        **race(rule, value, invariant, note),
        "preemptions": 1,
        "needs": "sc",
        "tlb": "on-access",
        "grace_period": False,
        "program": PROGRAM,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


CATALOGUE: Catalogue = {
    "known": [
        known_race("zap-put", "before-flush", "I22", "the page is put before the flush"),
        known_race(
            "evict-wait",
            "none",
            "I18",
            "eviction does not wait",
            preemptions=0,
            kind="sequential",
            number="B13",
        ),
        known_race("zap-clear", "load-store", "I22", "the clear is seen late", needs="tso"),
    ],
    "not_on_x86": [
        {
            **race("gup-grab", "relaxed", "I18", "both miss"),
            "program": PROGRAM,
            "models": ["pinner_and_unmapper"],
        },
    ],
    "not_shown": [
        {**race("share-reset", "kept", "I17", "an old index"), "why": "files cannot share"}
    ],
}

FACTS: Facts = {
    "invariants": [
        {"id": "I01", "sentence": "No counter goes below zero and none wraps."},
        {"id": "I13-weak", "sentence": "Nobody touches the pagemap afterwards."},
        {"id": "I13-strong", "sentence": "Teardown waits for references."},
        {"id": "I22", "sentence": "A page is put by zap only after the flush."},
        {"id": "L3", "sentence": "No retry loop runs for ever."},
    ],
    "eras": [
        {
            "name": "v6.15",
            "summary": "As shipped.",
            "facts": "K§3.7, K§14",
            "base": None,
            "kernels": ("6.15", "6.18"),
            "sound": "v6.15-sound",
            "known": [
                {
                    "id": "B31",
                    "title": "unbind does not wait",
                    "breaks": ["I13-strong"],
                    "rule": ("teardown-pages", "ignore"),
                    "mend": "wait-idle",
                    "operations": ["unbind"],
                    "kernels": "v5.18 and later",
                    "facts": "K§3.3",
                    "source": "recordings *_unbind_ref",
                    "note": "struct pages go under a pin",
                }
            ],
        },
        {
            "name": "v6.15-sound",
            "summary": "Mended.",
            "facts": "K§3.7",
            "base": "v6.15",
            "kernels": None,
            "sound": "v6.15-sound",
            "known": [],
        },
    ],
    "rules": [
        {
            "name": "zap-put",
            "summary": "When zap puts.",
            "facts": "K§6.1, B22",
            "values": [
                {
                    "name": "after-flush",
                    "meaning": "after it",
                    "how": "source",
                    "kernels": "every kernel",
                    "source": "mm/mmu_gather.c",
                },
                {
                    "name": "before-flush",
                    "meaning": "before it",
                    "how": "derived",
                    "kernels": "none",
                    "source": "a thought",
                },
            ],
            "base": "after-flush",
            "eras": {"v6.15": "after-flush", "v6.15-sound": "after-flush"},
        }
    ],
    "operations": [
        {
            "words": ["munmap"],
            "by": "worker",
            "sentence": "Unmaps all of a mapping, or some pages of it.",
            "usage": "M [PAGE N]",
            "arguments": [
                {
                    "name": "map",
                    "usage": "M",
                    "kind": "mapping",
                    "role": "ends",
                    "optional": False,
                    "bounds": (0, 63),
                    "words": [],
                }
            ],
            "returns": "zero",
            "errnos": ["EINVAL"],
            "deaths": [],
            "hunted": [{"word": "munmap", "text": "munmap 0"}],
        },
    ],
    "kinds": [{"name": "mapping", "meaning": "a mapping by its number"}],
    "returns": [{"name": "zero", "meaning": "0"}],
    "lacking": [{"name": "split*", "what": "splitting folios"}],
    "errnos": [{"name": "EFAULT", "number": 14, "meaning": "Bad address"}],
}


def setting(**changes: Any) -> Setting:
    base: Setting = {
        "era": "v6.15-sound",
        "broken": [],
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


@dataclass
class FakeExplore:
    report: ExploreReport
    polls: int | None = 2
    stops: int = 0
    first: FoundFirst | None = None
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def poll(self) -> ExploreProgress:
        done = self.polls is not None and next(self._count) >= self.polls
        return {
            "done": done,
            "found": self.first,
            "phase": "search",
            "seconds": 0.5,
            "bound": 1,
            "schedules": 1234,
            "pruned": 56,
            "points": 78_900,
            "longest": 144,
            "fraction": 0.4,
            "classes": 0,
            "unseen": 1.0,
            "tried": 0,
            "kept": 0,
            "tasks": 2,
            "steps": 2,
        }

    def stop(self) -> None:
        self.stops += 1
        self.report["complete"] = False

    def finish(self) -> ExploreReport:
        return self.report


@dataclass
class FakeHunt:
    report: HuntReport

    def poll(self) -> HuntProgress:
        return {
            "done": True,
            "found": None,
            "phase": "hunt",
            "seconds": 0.5,
            "ops": 3,
            "programs": 120,
            "drawn": 0,
            "senseless": 30,
            "schedules": 4567,
            "tried": 0,
            "kept": 0,
            "tasks": 0,
            "steps": 0,
        }

    def stop(self) -> None:
        self.report["complete"] = False

    def finish(self) -> HuntReport:
        return self.report


@dataclass
class FakeReproduce:
    report: ReproduceReport

    def poll(self) -> ReproduceProgress:
        return {
            "done": True,
            "found": None,
            "phase": "reproduce",
            "seconds": 0.5,
            "ops": 0,
            "programs": 12,
            "schedules": 4567,
            "tried": 0,
            "kept": 0,
            "tasks": 0,
            "steps": 0,
        }

    def stop(self) -> None:
        self.report["complete"] = False

    def finish(self) -> ReproduceReport:
        return self.report


@dataclass
class FakeStress:
    report: StressReport
    polls: int | None = 3
    stops: int = 0
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def poll(self) -> StressProgress:
        done = self.polls is not None and next(self._count) >= self.polls
        return {
            "done": done,
            "ops": self.report["ops"],
            "seconds": 1.0,
            "op_counts": self.report["op_counts"],
            "slow_paths": self.report["slow_paths"],
            "violations": self.report["violations"],
            "rss_kib": 10_000,
        }

    def stop(self) -> None:
        self.stops += 1
        self.report["complete"] = False

    def finish(self) -> StressReport:
        return self.report


@dataclass
class FakeBench:
    report: BenchReport

    def poll(self) -> BenchProgress:
        return {"done": True, "rounds": 40, "seconds": 1.0, "current": "try_get+put"}

    def stop(self) -> None:
        self.report["complete"] = False

    def finish(self) -> BenchReport:
        return self.report


@dataclass
class FakeCore:
    """Answers with `stress`, `bench` and, per text of a recording, `recordings`."""

    stress: FakeStress = field(default_factory=lambda: FakeStress(stress_report()))
    bench: FakeBench = field(default_factory=lambda: FakeBench(bench_report(bench_row())))
    recordings: dict[str, Conformance | BaseException] = field(default_factory=dict)
    explores: list[FakeExplore] = field(default_factory=list)
    hunt: FakeHunt = field(default_factory=lambda: FakeHunt(hunt_report()))
    reproduction: FakeReproduce = field(default_factory=lambda: FakeReproduce(reproduce_report()))
    again: Replayed = field(default_factory=replayed)
    once: RunReport = field(default_factory=lambda: run_report())
    raises: BaseException | None = None
    asked: list[Any] = field(default_factory=list)

    def build_info(self) -> Mapping[str, object]:
        return {"version": "0", "debug_assertions": False}

    def stress_start(self, config: dict[str, Any]) -> FakeStress:
        self.asked.append(config)
        if self.raises is not None:
            raise self.raises
        return self.stress

    def conform(self, text: str, era: str | None) -> Conformance:
        self.asked.append((text, era))
        answer = self.recordings[text.strip()]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def bench_core(self, config: dict[str, Any]) -> FakeBench:
        self.asked.append(config)
        return self.bench

    def explore_start(self, config: dict[str, Any]) -> FakeExplore:
        self.asked.append(config)
        if self.raises is not None:
            raise self.raises
        return self.explores.pop(0) if self.explores else FakeExplore(explore_report())

    def hunt_start(self, config: dict[str, Any]) -> FakeHunt:
        self.asked.append(config)
        return self.hunt

    def reproduce_start(self, config: dict[str, Any]) -> FakeReproduce:
        self.asked.append(config)
        return self.reproduction

    def replay(
        self,
        token: str,
        era: str | None = None,
        breaks: Sequence[tuple[str, str]] = (),
        steps: bool = False,
        stopped: Callable[[], bool] | None = None,
    ) -> Replayed:
        self.asked.append((token, era, list(breaks), steps))
        if self.raises is not None:
            raise self.raises
        return self.again

    def reveal(self, token: str) -> Revealed:
        self.asked.append(token)
        return {"program": PROGRAM, "setting": setting(), "events": 144, "switches": 2}

    def run_once(self, config: dict[str, Any]) -> RunReport:
        self.asked.append(config)
        if self.raises is not None:
            raise self.raises
        return self.once

    def check_rules(self, era: str, breaks: Sequence[tuple[str, str]]) -> None:
        if self.raises is not None:
            raise self.raises

    def facts(self) -> Facts:
        return FACTS

    def catalogue(self, races: str | None = None) -> Catalogue:
        if self.raises is not None and races is not None:
            raise self.raises
        return CATALOGUE
