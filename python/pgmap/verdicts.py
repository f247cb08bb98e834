"""What a search came to: frozen values that say what they hold for, never a bare true.

``match`` on them. Each holds for its ``program`` and its ``setting``, whose parts it has by their
own names, too; `Exhausted` also only up to its bound of preemptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeAlias

from pgmap._paste import to_paste
from pgmap._words import classes_words, counted, delays, results_words, unseen_words, within
from pgmap.errors import DoesNotHold

__all__ = [
    "Bound",
    "Coverage",
    "Drawn",
    "Exhausted",
    "Finding",
    "Found",
    "Inconclusive",
    "LockOrder",
    "Met",
    "NotFound",
    "Replay",
    "Setting",
    "StepOutcome",
    "Taken",
    "Unseen",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Bound:
    """The numbers of one bound of a search."""

    bound: int | None
    """Most preemptions; `None` where there was no bound."""
    schedules: int
    """Executions that were run to their end."""
    pruned: int
    """Executions cut because they came to a state that had been seen."""
    points: int
    """Steps in all of them."""
    longest: int
    """Steps of the longest one."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Executions drawn at random, and how much of the program's behaviour they showed."""

    executions: int
    classes: int
    """Kinds of execution seen: those that order their dependent steps alike are one."""
    singletons: int
    """Classes seen once."""
    unseen: float
    """The estimated chance that one more execution, drawn likewise, shows a new class."""
    points: int
    """Steps in all of them."""
    exact: bool = True
    """Whether the classes were counted, rather than estimated from a part."""

    def __str__(self) -> str:
        classes = classes_words(self.classes, exact=self.exact)
        unseen = unseen_words(self.unseen, self.executions)
        return f"{counted(self.executions, 'schedule')}, {classes}, unseen share {unseen}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where a drawn execution comes from; strategy and seed draw it again."""

    strategy: str
    """What was asked for."""
    by: str
    """Who of it drew: a portfolio's member."""
    seed: str
    execution: int
    """So many came before it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A failed execution in the words of the protocol."""

    sort: str
    """``violation``, ``leak``, ``deadlock``, ``lost-wakeup``, ``livelock`` or ``panic``."""
    invariant: str
    """Its number, such as ``I24``."""
    title: str
    page: int | None
    parties: tuple[str, ...]
    detail: str
    waits: tuple[str, ...]
    known: str | None
    """Number of the race, if the era is known to have it."""
    goes_away_with: str | None = None
    """The rules, ``RULE=VALUE``, with which it goes away then."""
    blame: str = "rules"
    """``program`` for a deadlock that the program asks for, whatever the rules; else ``rules``."""

    def __str__(self) -> str:
        where = "" if self.page is None else f" on page {self.page}"
        who = ", ".join(self.parties)
        return f"{self.invariant} {self.title}{where}{f' ({who})' if who else ''}"


@dataclass(frozen=True, slots=True)
class Met:
    """A race that the era is known to have, or its consequence: no news."""

    id: str
    """Its number, such as ``B33``; several, if only all of them mended make it go away."""
    title: str
    times: int
    """Executions that ended in it."""
    goes_away_with: str
    """The rule, ``RULE=VALUE``, that mends it."""
    token: str
    """The first of those executions, for `pgmap.replay`."""

    def __str__(self) -> str:
        return f"{self.id} {self.title} ({self.times}x, goes away with {self.goes_away_with})"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one step came to, and in how many of the schedules that were run to their end."""

    step: str
    """Whose it is, and which of them after ``start``: ``w0.2``."""
    label: str | None
    text: str
    results: Mapping[str, int] = field(hash=False)
    """``"0"``, ``"EFAULT"``, ``"SIGBUS"``, ``"waits"``, ``"not begun"``, and how often."""

    def __str__(self) -> str:
        name = self.step if self.label is None else f"{self.label} ({self.step})"
        return f"{name} {self.text}: {results_words(self.results)}"


@dataclass(frozen=True, slots=True)
class Taken:
    """One class of locks was waited for under another one."""

    outer: str
    """What was held."""
    outer_in: str
    """The function that took it."""
    inner: str
    """What was waited for."""
    inner_in: str
    """The function that waited."""
    by: str
    """Who, such as ``w1 write``."""

    def __str__(self) -> str:
        return f"{self.inner} under {self.outer} ({self.by}, {self.inner_in})"


@dataclass(frozen=True, slots=True)
class LockOrder:
    """Two classes of locks that are taken against the kernel's order. Ends no execution."""

    wrong: Taken
    right: Taken | None
    """In the right order, if the search met that, too."""

    def __str__(self) -> str:
        other = "" if self.right is None else f"; the right way round: {self.right}"
        return f"wrong lock order: {self.wrong}{other}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a verdict holds for, besides its program."""

    era: str
    rules: tuple[str, ...] = ()
    """Rules that differ from the era's, as ``RULE=VALUE``."""
    without: tuple[str, ...] = ()
    """Steps of the protocol that were left out."""
    geometry: Mapping[str, int] = field(hash=False)
    """Every size of the machine."""
    memory: str = "sc"
    """``sc``, sequentially consistent, or ``tso``, as on x86."""
    tlb: str = "on-access"
    """``on-access``, or ``speculative`` where CPUs may load translations ahead."""

    @property
    def delays(self) -> bool:
        """Whether a bound counts late stores and early translations as it counts preemptions."""
        return delays(self.memory, self.tlb)


class _About:
    """A value that must be looked at; it has what its setting has."""

    __slots__ = ()
    setting: Setting

    @property
    def era(self) -> str:
        """Whose rules."""
        return self.setting.era

    @property
    def rules(self) -> tuple[str, ...]:
        """Rules that differ from the era's, as ``RULE=VALUE``."""
        return self.setting.rules

    @property
    def geometry(self) -> Mapping[str, int]:
        """Every size of the machine."""
        return self.setting.geometry

    @property
    def memory(self) -> str:
        """``sc`` or ``tso``."""
        return self.setting.memory

    @property
    def tlb(self) -> str:
        """``on-access`` or ``speculative``."""
        return self.setting.tlb

    def __bool__(self) -> NoReturn:
        name = type(self).__name__
        kinds = "Found, Unseen, Exhausted, NotFound or Inconclusive"
        if isinstance(self, Replay):
            kinds = "its outcome"
        raise TypeError(f"{name} is neither true nor false: look at {kinds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen(_About):
    """What every verdict carries: what it holds for, and what the search has seen."""

    program: str
    setting: Setting
    bounds: tuple[Bound, ...] = ()
    """The numbers of each bound begun; only those of `Exhausted` are all complete."""
    waiting: int = 0
    """Executions that ended with everybody waiting for what the program never gives back."""
    known: tuple[Met, ...] = ()
    """Known races of the era that executions ended in; the search went on past them."""
    outcomes: tuple[StepOutcome, ...] = ()
    """What each step after ``start`` came to."""
    warnings: tuple[str, ...] = ()
    """Why this may say less than it seems to: steps that always failed, set-up that races."""
    lock_orders: tuple[LockOrder, ...] = ()
    """Locks that were waited for in the wrong order, whoever was stuck or not."""

    def assert_holds(self, *, exhausted: bool = False) -> None:
        """Raise `DoesNotHold` unless nothing broke; for tests.

        With `exhausted` a search whose budget was spent before a bound was exhausted does not hold
        either. One that proves nothing never does.
        """
        accepted = (Exhausted,) if exhausted else (Exhausted, NotFound)
        if not isinstance(self, accepted):
            failure = DoesNotHold(to_paste(self))
            failure.verdict = self
            raise failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(_Seen):
    """It breaks: what, in a report for people, and as a token that runs it again.

    ``program`` is the shrunk one if that was wanted.
    """

    report: str
    """Two columns of at most 72 characters, to be pasted into a mail or a commit message."""
    token: str
    """For `pgmap.replay`."""
    finding: Finding
    preemptions: int | None
    """Fewest preemptions with which it fails; `None` if the search had no bound.

    Of what was drawn (`drawn`), the fewest that were found near its schedule, once it was shrunk:
    another schedule may need fewer."""
    drawn: Drawn | None = None
    """Where it came from, if it was drawn at random and no search within bounds reaches it."""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The report as data."""

    def __str__(self) -> str:
        return self.report

    def __repr__(self) -> str:
        return f"<Found {self.finding}, {' '.join((self.era, *self.rules))}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen(_Seen):
    """Something should sometimes hold, and holds in no schedule with at most ``bound`` preemptions.

    A finding without a token: no single schedule shows it.
    """

    never: tuple[str, ...]
    """The expectations, such as ``sometimes a = EBUSY``."""
    bound: int | None
    """`None`: whatever the preemptions."""
    beyond: Coverage | None = None
    """What was drawn beyond the bound, where it did not hold either."""

    def __str__(self) -> str:
        where = within(self.bound, delays=self.setting.delays)
        return f"never so {where}: {'; '.join(self.never)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted(_Seen):
    """Nothing breaks, in any schedule with at most ``bound`` preemptions."""

    bound: int | None
    """`None`: whatever the preemptions."""
    schedules: int
    pruned: int
    beyond: Coverage | None = None
    """What was drawn beyond the bound, where nothing failed either. No proof, unlike the bound."""

    def __str__(self) -> str:
        where = "drawn before" if self.bound is None else "beyond the bound"
        beyond = "" if self.beyond is None else f"; {where}: {self.beyond}"
        return (
            f"exhausted: nothing fails {within(self.bound, delays=self.setting.delays)} "
            f"({counted(self.schedules, 'schedule')}, {self.pruned:,} cut as seen before){beyond}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound(_Seen):
    """Nothing broke before the budget was spent. Not a proof."""

    budget: Literal["schedules", "time", "asked"]
    """What ended it."""
    schedules: int
    pruned: int
    coverage: Coverage | None = None
    """What was drawn at random, if anything was."""
    remaining: float | None = None
    """By estimate, so many seconds more would exhaust the last of `bounds`."""

    def __str__(self) -> str:
        ended = f"and not all were seen ({self.budget})"
        drawn = "" if self.coverage is None else f"; drawn: {self.coverage}"
        return f"not found in {counted(self.schedules, 'schedule')}, {ended}{drawn}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive(_Seen):
    """The search proves nothing."""

    why: str

    def __str__(self) -> str:
        return f"inconclusive: {self.why}"


Verdict: TypeAlias = Found | Unseen | Exhausted | NotFound | Inconclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(_About):
    """What running a token's execution again came to."""

    outcome: Literal["reproduced", "not-reproduced", "cannot", "stopped"]
    token: str
    step: int | None
    """The first step known to differ, if it cannot be replayed."""
    why: str | None
    """The same in a sentence."""
    finding: Finding | None
    """How it ended; under other rules that may be another failure."""
    report: str | None
    program: str
    setting: Setting
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        words = {
            "reproduced": "reproduced",
            "not-reproduced": "not reproduced",
            "cannot": f"cannot be replayed: {self.why}",
            "stopped": "not seen to its end",
        }[self.outcome]
        return words if self.report is None else f"{words}\n{self.report}"
