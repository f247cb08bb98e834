"""What the commands need from the compiled core, as types.

The commands are written against these protocols, so a test can hand them a core of its own.
`core()` is the real one. A long-running piece of work is a `Run`: it is started, polled in short
slices, asked to stop, and finished, and it never calls back into Python. What each piece says
is in `_core_reports` and `_core_explore`, what the core knows without any in `_core_facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from pgmap._core_explore import (
    ExploreProgress,
    ExploreReport,
    HuntProgress,
    HuntReport,
    Replayed,
    ReproduceProgress,
    ReproduceReport,
    Revealed,
    RunReport,
)
from pgmap._core_facts import Catalogue, Facts, ProtocolSteps
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

Config = Mapping[str, Any]
P_co = TypeVar("P_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class Run(Protocol[P_co, R_co]):
    """Work that goes on in native threads while Python watches."""

    def poll(self) -> P_co:
        """Return how far it is, without waiting. Once ``done`` is true it stays true."""

    def stop(self) -> None:
        """Ask it to end after the operations under way. Returns at once, may be repeated."""

    def finish(self) -> R_co:
        """Join its threads and return the report; complete only if nobody asked it to stop."""


class Core(Protocol):
    """The functions of `pgmap._core` that the commands call."""

    def build_info(self) -> Mapping[str, object]:
        """Return the facts of this build."""

    def stress_start(self, config: dict[str, Any]) -> Run[StressProgress, StressReport]:
        """Start real threads on a fresh world."""

    def conform(self, text: str, era: str | None) -> Conformance:
        """Replay one recording and compare after every step."""

    def bench_core(self, config: dict[str, Any]) -> Run[BenchProgress, BenchReport]:
        """Start measuring the core's primitives against their floors."""

    def folio_try_get_verdicts(self) -> list[SchemeFinding]:
        """Search the four ways to ``folio_try_get``, and the mistakes made on the way."""

    def refcount_counts(self) -> list[SchemeCount]:
        """Count what a get and a put of each reference-count scheme ask of the machine."""

    def refcount_kills(self, kills: int) -> KillReport:
        """Time so many kills of each reference-count scheme that can be killed."""

    def refcount_bytes(self, cpus: list[int]) -> list[Footprint]:
        """Tell what a count takes under each scheme on machines of these sizes."""

    def explore_start(self, config: dict[str, Any]) -> Run[ExploreProgress, ExploreReport]:
        """Start searching the schedules of a program."""

    def run_once(self, config: dict[str, Any]) -> RunReport:
        """Run a program under one schedule."""

    def hunt_start(self, config: dict[str, Any]) -> Run[HuntProgress, HuntReport]:
        """Start searching the programs of a few words."""

    def reproduce_start(self, config: dict[str, Any]) -> Run[ReproduceProgress, ReproduceReport]:
        """Start looking for what a stress run saw."""

    def replay(
        self,
        token: str,
        era: str | None = None,
        breaks: Sequence[tuple[str, str]] = (),
        steps: bool = False,
        stopped: Callable[[], bool] | None = None,
    ) -> Replayed:
        """Run a token's execution again; `stopped` is asked now and then whether to end it."""

    def reveal(self, token: str) -> Revealed:
        """Say what a token stands for, without running it."""

    def catalogue(self, races: str | None = None) -> Catalogue:
        """Return the races that pgmap knows, and those of a folder."""

    def protocol_steps(self) -> ProtocolSteps:
        """Return every step of the protocol that can be left out."""

    def steps_met(self, config: dict[str, Any]) -> list[str]:
        """Return the steps that a search of a program takes."""

    def check_rules(self, era: str, breaks: Sequence[tuple[str, str]]) -> None:
        """Refuse an era or a rule that does not exist."""

    def facts(self) -> Facts:
        """Return what the short names in outputs stand for."""


def core() -> Core:
    """Return the compiled core."""
    from pgmap import _core

    return cast("Core", _core)
