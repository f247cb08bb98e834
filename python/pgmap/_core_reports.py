"""What stress, conformance and benchmarks say, as types: the core's reports and glances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict


class Violation(TypedDict):
    """A broken invariant: which, where, and between whom."""

    invariant: str
    title: str
    page: int | str
    parties: list[str]
    operations: list[str]
    detail: str
    known: str | None
    round: int
    seconds: float


class Hang(TypedDict):
    """Waits that never ended, and what holds them up."""

    kind: str
    sleeper: str | None
    ring: list[str]
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
    no_verdict: str | None
    rss: list[tuple[float, int]]
    complete: bool


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
    nearest: bool
    steps: int
    compared: int
    difference: Difference | None
    table: list[Any]


class _Figures(TypedDict, total=False):
    """What a ratio was made of: subject, floor; medians, and each round's."""

    figures: tuple[float, float]
    raw: list[tuple[float, float]]


class BenchRow(_Figures):
    """One cost, as a ratio to a floor measured in the same rounds."""

    name: str
    ratio: float
    limit: float | None
    set_on: Mapping[str, float]
    sense: Literal["at most", "at least"]
    spread: tuple[float, float]
    sure: tuple[float, float]
    floor: str
    unit: str
    rounds: int


class SchemeFinding(TypedDict):
    """What the model check says of a reference-count scheme, or of a mistake in one."""

    variant: str
    asked: str
    verdict: Literal["kept", "broken", "unclear"]
    bound: int
    preemptions: int | None
    schedules: int | None
    why: str | None


class Traffic(TypedDict):
    """What pairs of a get and a put asked of the machine."""

    locked: int
    loads: int
    stores: int
    hand_offs: int


class SharedTraffic(TypedDict):
    """One pair of each of several CPUs that took turns: a turn is a pair, or an operation."""

    cpus: int
    pairs: Traffic
    operations: Traffic


class SchemeCount(TypedDict):
    """A reference-count scheme, counted: one pair alone, and one of each of several CPUs."""

    name: str
    group: str
    alone: Traffic
    shared: SharedTraffic | None


class Percentiles(TypedDict):
    """Times in nanoseconds."""

    p50: int
    p99: int
    p999: int
    most: int


class KillTimes(TypedDict):
    """What the kills of a scheme took, alone and with a peer that gets and puts."""

    scheme: str
    quiet: Percentiles
    busy: Percentiles | None


class KillReport(TypedDict):
    """So many kills of each scheme, and what a clock that is read twice says."""

    kills: int
    floor: Percentiles | None
    schemes: list[KillTimes]


class SchemeBytes(TypedDict):
    """Bytes of a count on a machine of so many CPUs."""

    cpus: int
    page: int
    pagemap: int


class Footprint(TypedDict):
    """What a reference-count scheme takes, on machines of several sizes."""

    scheme: str
    group: str
    machines: list[SchemeBytes]


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
