"""`explore` and `replay`: the searches of the commands, as functions that return values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from pgmap import _core
from pgmap._core_explore import (
    BoundReport,
    CoverageReport,
    ExploreProgress,
    ExploreReport,
    FoundReport,
    LockOrderReport,
    Replayed,
)
from pgmap._core_explore import Finding as FindingDict
from pgmap._core_explore import Setting as SettingDict
from pgmap._here import here
from pgmap._options import ExploreOptions, Rules, pairs
from pgmap.build import Builder, text_of
from pgmap.verdicts import (
    Bound,
    Coverage,
    Drawn,
    Exhausted,
    Finding,
    Found,
    Inconclusive,
    LockOrder,
    Met,
    NotFound,
    Replay,
    Setting,
    StepOutcome,
    Taken,
    Unseen,
    Verdict,
)

SLICE_SECONDS = 0.05


def explore(
    program: str | _core.Program | Builder | None = None,
    *,
    setup: Builder | Callable[[Builder], object] | None = None,
    workers: Sequence[Callable[..., object]] | None = None,
    era: str = ExploreOptions.era,
    rules: Rules | None = ExploreOptions.rules,
    without: Sequence[str] = ExploreOptions.without,
    geometry: Mapping[str, int] | None = ExploreOptions.geometry,
    preemptions: int | None = ExploreOptions.preemptions,
    schedules: int | None = ExploreOptions.schedules,
    seconds: float | None = ExploreOptions.seconds,
    max_steps: int | None = ExploreOptions.max_steps,
    shrink: bool = ExploreOptions.shrink,
    strategy: str = ExploreOptions.strategy,
    seed: int = ExploreOptions.seed,
    threads: int | None = ExploreOptions.threads,
    memory: str = ExploreOptions.memory,
    speculative_tlb: bool = ExploreOptions.speculative_tlb,
    known: bool = ExploreOptions.known,
    progress: Callable[[ExploreProgress], object] | None = None,
) -> Verdict:
    """Search the schedules of `program` for one that breaks it.

    Instead of a program, `workers` may be functions, of which each is called once with a worker to
    record what that one does, and `setup` what was before; see `pgmap.build.recorded`.
    `rules` changes rules of `era`; `geometry` changes sizes of a machine just large enough.
    `without` leaves steps of the protocol out, such as ``wake_up_one-slot@dax_unlock_entry``:
    `pgmap.ablate` lists them, and an unknown one is a `PgmapError` that names the nearest.
    `preemptions` bounds the search (`None`: no bound), `schedules` and `seconds` are its budget.
    `max_steps` is the most points of one execution (`None`: 100,000): one that goes on longer is
    cut there, and a search that cut any and found nothing is `Inconclusive`.
    `memory` is ``sc``, sequentially consistent, or ``tso``, as on x86: a store may be seen late.
    With `speculative_tlb` CPUs load translations ahead of any access. Both cost as preemptions do.
    What is found is shrunk unless `shrink` is false. Executions that end in a race that `era` is
    known to have are counted and passed over, unless `known` makes such races findings.

    With the `strategy` ``portfolio``, executions beyond an exhausted bound are drawn at random: a
    thousand, or what the budget leaves; bounds that go on for long take turns with them. ``bounds``
    draws nothing; ``random``, ``pct:DEPTH``, ``pos``, ``urw`` and ``surw`` draw only, each by
    itself, whatever `preemptions` says. What is drawn depends on `seed` and not on `threads`
    (`None`: one for each processor).

    `progress` is called about twenty times a second, in this thread, with a dictionary of how far
    the search is; an exception there, or Ctrl-C, ends the search.
    """
    text = text_of(program, setup, workers)
    options = ExploreOptions(
        era=era,
        rules=rules,
        without=without,
        geometry=geometry,
        preemptions=preemptions,
        schedules=schedules,
        seconds=seconds,
        max_steps=max_steps,
        shrink=shrink,
        strategy=strategy,
        seed=seed,
        threads=threads,
        memory=memory,
        speculative_tlb=speculative_tlb,
        known=known,
    )
    run = _core.explore_start(options.config(program=text))
    try:
        while not run.wait(SLICE_SECONDS):
            if progress is not None:
                progress(run.poll())
    except BaseException:
        run.stop()
        raise
    return verdict(run.finish())


def replay(token: str, *, era: str | None = None, rules: Rules | None = None) -> Replay:
    """Run the execution of a token again, or see whether other rules survive it.

    With `era`, its rules take the place of the token's; `rules` changes some of either.
    """
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, not {type(token).__name__}")
    return replayed(token, _core.replay(token, era, list(pairs(rules))))


def bound_of(report: BoundReport) -> Bound:
    return Bound(
        bound=report["bound"],
        schedules=report["schedules"],
        pruned=report["pruned"],
        points=report["points"],
        longest=report["longest"],
    )


def coverage_of(report: CoverageReport | None) -> Coverage | None:
    if report is None:
        return None
    return Coverage(
        executions=report["executions"],
        classes=report["classes"],
        singletons=report["singletons"],
        unseen=report["unseen"],
        points=report["points"],
        exact=report["exact"],
    )


def finding_of(told: FindingDict) -> Finding:
    return Finding(
        sort=told["sort"],
        invariant=told["invariant"],
        title=told["title"],
        page=told["page"],
        parties=tuple(told["parties"]),
        detail=told["detail"],
        waits=tuple(told["waits"]),
        blame=told["blame"],
        known=told["known"],
        goes_away_with=told["goes_away_with"],
    )


def lock_order_of(told: LockOrderReport) -> LockOrder:
    right = told["right"]
    return LockOrder(Taken(**told["wrong"]), None if right is None else Taken(**right))


def setting_of(told: SettingDict) -> Setting:
    return Setting(
        era=told["era"],
        rules=tuple(told["broken"]),
        without=tuple(told["without"]),
        geometry=told["geometry"],
        memory=told["memory"],
        tlb=told["tlb"],
    )


class Shared(TypedDict):
    """What every verdict carries."""

    program: str
    setting: Setting
    bounds: tuple[Bound, ...]
    waiting: int
    known: tuple[Met, ...]
    outcomes: tuple[StepOutcome, ...]
    warnings: tuple[str, ...]
    lock_orders: tuple[LockOrder, ...]


def shared(program: str, setting: SettingDict, report: ExploreReport | None) -> Shared:
    """What every verdict carries; without a search it has seen nothing."""
    return Shared(
        program=program,
        setting=setting_of(setting),
        bounds=() if report is None else tuple(bound_of(entry) for entry in report["bounds"]),
        waiting=0 if report is None else report["waiting"],
        known=() if report is None else tuple(Met(**met) for met in report["known"]),
        outcomes=() if report is None else tuple(StepOutcome(**row) for row in report["outcomes"]),
        warnings=() if report is None else tuple(report["warnings"]),
        lock_orders=() if report is None else tuple(map(lock_order_of, report["lock_orders"])),
    )


def found_of(found: FoundReport, report: ExploreReport | None = None) -> Found:
    return Found(
        report=here(found["text"]),
        token=found["token"],
        finding=finding_of(found["finding"]),
        preemptions=found["preemptions"],
        drawn=None if found["drawn"] is None else Drawn(**found["drawn"]),
        data=found["report"],
        **shared(found["program"], found["setting"], report),
    )


def verdict(report: ExploreReport) -> Verdict:
    """What the core says, as a value."""
    if report["found"] is not None:
        return found_of(report["found"], report)
    seen = shared(report["program"], report["setting"], report)
    coverage = coverage_of(report["coverage"])
    schedules = sum(bound.schedules for bound in seen["bounds"])
    pruned = sum(bound.pruned for bound in seen["bounds"])
    match report["verdict"], report["why"]:
        case "exhausted", _:
            return Exhausted(
                bound=report["bound"],
                schedules=schedules,
                pruned=pruned,
                beyond=coverage,
                **seen,
            )
        case "unseen", _:
            return Unseen(
                never=tuple(report["unseen"]),
                bound=report["bound"],
                beyond=coverage,
                **seen,
            )
        case "not-found", ("schedules" | "time" | "asked") as budget:
            return NotFound(
                budget=budget,
                schedules=schedules + (0 if coverage is None else coverage.executions),
                pruned=pruned,
                coverage=coverage,
                remaining=report["remaining"],
                **seen,
            )
        case _, why:
            return Inconclusive(why=why or "no reason given", **seen)


def replayed(token: str, told: Replayed) -> Replay:
    """What the core says about a replay, as a value."""
    found = told["found"]
    return Replay(
        outcome=told["outcome"],
        token=token.strip(),
        step=told["step"],
        why=told["why"],
        finding=None if found is None else finding_of(found["finding"]),
        report=None if found is None else here(found["text"]),
        program=told["program"],
        setting=setting_of(told["setting"]),
        data={} if found is None else found["report"],
    )
