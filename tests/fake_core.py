"""A core that does nothing but answer, for tests of the commands around it.

Each fake says what it was asked and answers what the test prepared; its types are those of the
real core, so mypy notices when the two drift apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fake_facts import CATALOGUE, FACTS, PROGRAM
from fake_reports import (
    bench_report,
    bench_row,
    explore_report,
    footprint,
    hunt_report,
    kill_report,
    replayed,
    reproduce_report,
    run_report,
    scheme_count,
    scheme_finding,
    setting,
    stress_report,
)
from pgmap._core_explore import (
    ExploreProgress,
    ExploreReport,
    FoundFirst,
    HuntProgress,
    HuntReport,
    Replayed,
    ReproduceProgress,
    ReproduceReport,
    Revealed,
    RunReport,
)
from pgmap._core_facts import Catalogue, Facts, KnownRule, ProtocolSteps
from pgmap._core_reports import (
    BenchProgress,
    BenchReport,
    Conformance,
    Footprint,
    KillReport,
    SchemeCount,
    SchemeFinding,
    StressProgress,
    StressReport,
)


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
            "remaining": 90.0,
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
    races: list[KnownRule] = field(default_factory=lambda: CATALOGUE["known"])
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

    def folio_try_get_verdicts(self) -> list[SchemeFinding]:
        return [
            scheme_finding(),
            scheme_finding(verdict="broken", preemptions=2, why="destroyed as another"),
        ]

    def refcount_counts(self) -> list[SchemeCount]:
        return [scheme_count(), scheme_count(name="plain", group="floor", shared=None)]

    def refcount_kills(self, kills: int) -> KillReport:
        return kill_report(kills)

    def refcount_bytes(self, cpus: list[int]) -> list[Footprint]:
        return [footprint(cpus), footprint(cpus, of=8192)]

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

    def protocol_steps(self) -> ProtocolSteps:
        return {"steps": [], "calls": 0}

    def steps_met(self, config: dict[str, Any]) -> list[str]:
        return []

    def check_rules(self, era: str, breaks: Sequence[tuple[str, str]]) -> None:
        if self.raises is not None:
            raise self.raises

    def facts(self) -> Facts:
        return FACTS

    def catalogue(self, races: str | None = None) -> Catalogue:
        if self.raises is not None and races is not None:
            raise self.raises
        return {**CATALOGUE, "known": self.races}
