"""What the commands need from the compiled core, as types.

The commands are written against these protocols, so a test can hand them a core of its own.
`core()` is the real one. A long-running piece of work is a `Run`: it is started, polled in short
slices, asked to stop, and finished, and it never calls back into Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypedDict, TypeVar, cast

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


# --- stress --------------------------------------------------------------------------------------


class Violation(TypedDict):
    """A broken invariant: which, where, and between whom."""

    invariant: str
    title: str
    page: int | str
    parties: list[str]
    detail: str
    known: str | None
    round: int
    seconds: float


class Hang(TypedDict):
    """Waits that never ended, and what holds them up."""

    waiters: list[str]
    holders: list[str]


class StressProgress(TypedDict):
    """A glance at a stress run."""

    done: bool
    ops: int
    seconds: float
    op_counts: dict[str, int]
    slow_paths: dict[str, int]
    violations: list[Violation]
    rss_kib: int


class StressReport(TypedDict):
    """What a stress run found."""

    era: str
    rules: dict[str, str]
    broken: list[str]
    seed: str
    threads: int
    ops: int
    op_counts: dict[str, int]
    slow_paths: dict[str, int]
    rounds: int
    quiescent: bool
    violations: list[Violation]
    hang: Hang | None
    rss: list[tuple[float, int]]
    complete: bool


# --- conform -------------------------------------------------------------------------------------


class DifferenceRow(TypedDict):
    """One word, as the kernel had it and as the model has it."""

    what: str
    recorded: str
    model: str


class Difference(TypedDict):
    """The first step at which kernel and model part."""

    step: int
    op: str
    rows: list[DifferenceRow]
    context: list[str]


class Conformance(TypedDict):
    """How one recording compares."""

    equal: bool
    unsupported: list[str]
    kernel: str
    scenario: str
    era: str
    steps: int
    compared: int
    difference: Difference | None
    table: list[Any]


# --- bench ---------------------------------------------------------------------------------------


class _Figures(TypedDict, total=False):
    """What a ratio was made of: subject, floor; medians, and each round's."""

    figures: tuple[float, float]
    raw: list[tuple[float, float]]


class BenchRow(_Figures):
    """One cost, as a ratio to a floor measured in the same rounds."""

    name: str
    ratio: float
    limit: float | None
    sense: Literal["at most", "at least"]
    spread: tuple[float, float]
    floor: str
    unit: str
    rounds: int
    ok: bool


class BenchProgress(TypedDict):
    """A glance at a benchmark."""

    done: bool
    rounds: int
    seconds: float
    current: str


class _Environment(TypedDict, total=False):
    """The machine, and how far its ratios can be trusted."""

    environment: dict[str, Any]


class BenchReport(_Environment):
    """All rows of a benchmark."""

    rows: list[BenchRow]
    complete: bool


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


def core() -> Core:
    """Return the compiled core."""
    from pgmap import _core

    return cast("Core", _core)
