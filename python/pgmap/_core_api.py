"""What the commands need from the compiled core, as types.

The commands are written against these protocols, so a test can hand them a core of its own.
`core()` is the real one. A long-running piece of work is a `Run`: it is started, polled in short
slices, asked to stop, and finished, and it never calls back into Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    set_on: Mapping[str, float]
    sense: Literal["at most", "at least"]
    spread: tuple[float, float]
    floor: str
    unit: str
    rounds: int


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


# --- explore -------------------------------------------------------------------------------------


class Setting(TypedDict):
    """What a verdict holds for, besides its program."""

    era: str
    broken: list[str]
    geometry: dict[str, int]
    tasks: int
    memory: Literal["sc", "tso"]
    tlb: Literal["on-access", "speculative"]


class BoundReport(TypedDict):
    """The numbers of one bound; ``bound`` is None where there was none."""

    bound: int | None
    schedules: int
    pruned: int
    failures: int
    too_long: int
    points: int
    longest: int
    states: int
    refused: int


class CoverageReport(TypedDict):
    """Executions drawn at random, and how much of the program's behaviour they showed."""

    executions: int
    failures: int
    too_long: int
    points: int
    longest: int
    classes: int
    singletons: int
    unseen: float
    exact: bool


class DrawnReport(TypedDict):
    """Where a drawn execution comes from: what was asked for, who of it drew, and its number."""

    strategy: str
    by: str
    seed: str
    execution: int


class Finding(TypedDict):
    """A failed execution in the words of the protocol."""

    sort: str
    invariant: str
    title: str
    page: int | None
    parties: list[str]
    detail: str
    waits: list[str]
    blame: Literal["rules", "program"]
    known: str | None
    goes_away_with: str | None


class Size(TypedDict):
    """How large a program is."""

    tasks: int
    steps: int


# `from` is a keyword.
Shrunk = TypedDict(
    "Shrunk", {"tried": int, "kept": int, "complete": bool, "from": Size, "to": Size}
)


class _Shrunk(TypedDict, total=False):
    """What shrinking did; None if nobody wanted it."""

    shrunk: Shrunk | None


class MetReport(TypedDict):
    """A race that the era is known to have, and how many executions ended in it."""

    id: str
    title: str
    times: int
    goes_away_with: str
    token: str


class FoundFirst(TypedDict):
    """A failed execution as it is known first: what, and how to run it again.

    ``mends`` are rules at their sound values that a search put in place to see behind known races.
    """

    finding: Finding
    mends: list[str]
    preemptions: int | None
    drawn: DrawnReport | None
    token: str
    program: str
    setting: Setting
    events: int
    switches: int


class FoundReport(FoundFirst, _Shrunk):
    """A failed execution with its report, as data and as text; stopped early, there is none."""

    report: dict[str, Any]
    text: str


class ExploreProgress(TypedDict):
    """A glance at a search, or at the shrinking after it."""

    done: bool
    found: FoundFirst | None
    phase: Literal["search", "sample", "shrink"]
    seconds: float
    bound: int | None
    schedules: int
    pruned: int
    points: int
    longest: int
    fraction: float
    classes: int
    unseen: float
    tried: int
    kept: int
    tasks: int
    steps: int


class Asked(TypedDict):
    """The budget, as far as there was one."""

    preemptions: int | None
    schedules: int | None


class OutcomeReport(TypedDict):
    """What one step came to, and in how many of the schedules that were run to their end."""

    step: str
    label: str | None
    text: str
    results: dict[str, int]


class TakenReport(TypedDict):
    """One class of locks was waited for under another one."""

    outer: str
    outer_in: str
    inner: str
    inner_in: str
    by: str


class LockOrderReport(TypedDict):
    """Two classes of locks that are taken against the kernel's order."""

    wrong: TakenReport
    right: TakenReport | None


class ExploreReport(TypedDict):
    """What a search came to."""

    verdict: Literal["found", "unseen", "exhausted", "not-found", "inconclusive"]
    bound: int | None
    why: str | None
    waiting: int
    known: list[MetReport]
    again: int
    outcomes: list[OutcomeReport]
    warnings: list[str]
    strangers: list[str]
    unseen: list[str]
    lock_orders: list[LockOrderReport]
    too_long: int
    max_steps: int
    program: str
    setting: Setting
    bounds: list[BoundReport]
    strategy: str
    seed: str
    threads: int
    coverage: CoverageReport | None
    asked: Asked
    search_seconds: float
    found: FoundReport | None
    complete: bool


class SetUpStep(TypedDict):
    """A step of a set-up that has run."""

    line: int
    text: str
    outcome: str


class RunStep(TypedDict):
    """A step after ``start``, and what it came to in one schedule."""

    line: int
    step: str
    label: str | None
    text: str
    outcome: str
    failed: bool


class RunReport(TypedDict):
    """A program that has run once."""

    program: str
    setting: Setting
    set_up: list[SetUpStep]
    steps: list[RunStep]
    ended: Literal["through", "found", "waits", "unclear"]
    finding: Finding | None
    waits: list[str]
    why: str | None
    warnings: list[str]


class HuntProgress(TypedDict):
    """A glance at a hunt, or at the shrinking after it."""

    done: bool
    found: FoundFirst | None
    phase: Literal["hunt", "shrink"]
    seconds: float
    ops: int
    programs: int
    drawn: int
    senseless: int
    schedules: int
    tried: int
    kept: int
    tasks: int
    steps: int


class HuntReport(TypedDict):
    """What a hunt came to."""

    verdict: Literal["found", "exhausted", "not-found", "inconclusive"]
    why: str | None
    known: list[MetReport]
    too_long: int
    max_steps: int
    words: list[str]
    ops: int
    programs: int
    drawn: int
    senseless: int
    schedules: int
    seconds: float
    found: FoundReport | None
    shortest: bool
    complete: bool


class ReproduceProgress(TypedDict):
    """A glance at the search for what a stress run saw, or at the shrinking after it."""

    done: bool
    found: FoundFirst | None
    phase: Literal["reproduce", "shrink"]
    seconds: float
    ops: int
    programs: int
    schedules: int
    tried: int
    kept: int
    tasks: int
    steps: int


class ReproduceReport(TypedDict):
    """What the explorer made of what a stress run saw."""

    programs: int
    schedules: int
    seconds: float
    exact: bool
    found: FoundReport | None
    complete: bool


class TracedStep(TypedDict):
    """One entry of an execution."""

    n: int
    cpu: int
    who: str
    kind: str
    function: str
    operation: str
    object: str
    before: str | None
    after: str | None


class Revealed(TypedDict):
    """What a token stands for."""

    program: str
    setting: Setting
    events: int
    switches: int


class Replayed(TypedDict):
    """What a replay came to."""

    outcome: Literal["reproduced", "not-reproduced", "cannot", "stopped"]
    step: int | None
    why: str | None
    own_rules: bool
    left_at: int | None
    program: str
    setting: Setting
    events: int
    found: FoundReport | None
    steps: list[TracedStep] | None


class Race(TypedDict):
    """What is said of a race of the catalogue, whatever shows it.

    `wrong` and `right` are rules with their values, over the era's; `rule` and `value` are the
    first of what is wrong, empty if it is the era itself.
    """

    name: str
    number: str | None
    title: str
    kind: Literal["race", "sequential", "liveness", "equivalence", "refuted"]
    era: str
    wrong: list[tuple[str, str]]
    right: list[tuple[str, str]]
    invariant: str | None
    sources: list[str]
    note: str
    teaches: str
    rule: str
    value: str


class KnownRule(Race):
    """What is wrong, and a program that shows it."""

    preemptions: int
    needs: Literal["sc", "tso"]
    tlb: Literal["on-access", "speculative"]
    grace_period: bool
    program: str


class NotOnX86(Race):
    """A wrong rule that x86 does not tell from the right one.

    The program executes it, in silence; the models are tests of `pgmap-mm-weak`, which show it.
    """

    program: str
    models: list[str]


class NotShown(Race):
    """A wrong rule that no program can show yet."""

    why: str


class Catalogue(TypedDict):
    """The races that pgmap knows, by what shows them."""

    known: list[KnownRule]
    not_on_x86: list[NotOnX86]
    not_shown: list[NotShown]


# --- facts ---------------------------------------------------------------------------------------


class InvariantFact(TypedDict):
    """What must hold, by its number."""

    id: str
    sentence: str


class KnownRaceFact(TypedDict):
    """A race that an era is known to have; `rule` is the rule and the value that make it.

    With that rule at `mend` it is gone.
    """

    id: str
    title: str
    breaks: list[str]
    rule: tuple[str, str]
    mend: str
    operations: list[str]
    kernels: str
    facts: str
    source: str
    note: str


class EraFact(TypedDict):
    """An era, the facts behind it, and the races it is known to have.

    `base` is the era that it is a delta of, `kernels` the first and the last that it describes,
    `sound` the era with its known races mended.
    """

    name: str
    summary: str
    facts: str
    base: str | None
    kernels: tuple[str, str] | None
    sound: str
    known: list[KnownRaceFact]


class ValueFact(TypedDict):
    """A value that a rule can take, and how it is known that which kernels have it."""

    name: str
    meaning: str
    how: Literal["recorded", "source", "thread", "derived"]
    kernels: str
    source: str


class RuleFact(TypedDict):
    """A rule, the facts behind it, its values, and which one each era has."""

    name: str
    summary: str
    facts: str
    values: list[ValueFact]
    base: str
    eras: dict[str, str]


class ArgumentFact(TypedDict):
    """An argument of an operation: what it may be, and what becomes of what it names."""

    name: str
    usage: str
    kind: str
    role: str | None
    optional: bool
    bounds: tuple[int, int] | None
    words: list[str]


class HuntedFact(TypedDict):
    """A word of hunts, and what it stands for."""

    word: str
    text: str


class OperationFact(TypedDict):
    """An operation of the program language: a row of the core's table."""

    words: list[str]
    by: Literal["worker", "environment"]
    sentence: str
    usage: str
    arguments: list[ArgumentFact]
    returns: str
    errnos: list[str]
    deaths: list[str]
    hunted: list[HuntedFact]


class MeaningFact(TypedDict):
    """A kind of argument or result, and what it is."""

    name: str
    meaning: str


class LackingFact(TypedDict):
    """What the model cannot do yet; ``*`` at the end stands for all words that begin so."""

    name: str
    what: str


class ErrnoFact(TypedDict):
    """An error number of the kernel."""

    name: str
    number: int
    meaning: str


class Facts(TypedDict):
    """What the short names in outputs stand for."""

    invariants: list[InvariantFact]
    eras: list[EraFact]
    rules: list[RuleFact]
    operations: list[OperationFact]
    kinds: list[MeaningFact]
    returns: list[MeaningFact]
    lacking: list[LackingFact]
    errnos: list[ErrnoFact]


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

    def check_rules(self, era: str, breaks: Sequence[tuple[str, str]]) -> None:
        """Refuse an era or a rule that does not exist."""

    def facts(self) -> Facts:
        """Return what the short names in outputs stand for."""


def core() -> Core:
    """Return the compiled core."""
    from pgmap import _core

    return cast("Core", _core)
