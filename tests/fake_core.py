"""A core that does nothing but answer, for tests of the commands around it.

Each fake says what it was asked and answers what the test prepared; its types are those of the
real core, so mypy notices when the two drift apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pgmap._core_api import (
    BenchProgress,
    BenchReport,
    BenchRow,
    Conformance,
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
        "rss": [(0.0, 10_000), (10.0, 10_100)],
        "complete": True,
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


def bench_row(**changes: Any) -> BenchRow:
    base: BenchRow = {
        "name": "try_get+put",
        "ratio": 1.05,
        "limit": 1.1,
        "sense": "at most",
        "spread": (1.03, 1.07),
        "floor": "CAS + locked decrement",
        "unit": "ns",
        "rounds": 40,
        "ok": True,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


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
    bench: FakeBench = field(
        default_factory=lambda: FakeBench({"rows": [bench_row()], "complete": True})
    )
    recordings: dict[str, Conformance | BaseException] = field(default_factory=dict)
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
