"""What searches, single runs and replays say, as types: the core's reports and glances."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Setting(TypedDict):
    """What a verdict holds for, besides its program."""

    era: str
    broken: list[str]
    without: list[str]
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
    repeated: int
    cut: int
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
    remaining: float | None
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
    remaining: float | None
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
