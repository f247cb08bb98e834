"""What the core knows without running anything, as types: the catalogue, what names stand for."""

from __future__ import annotations

from typing import Literal, TypedDict


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
    sizes: dict[str, int]
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


class StepFact(TypedDict):
    """A step of the protocol: a call of a primitive that has an effect."""

    name: str
    kind: str
    function: str
    primitive: str
    place: str


class ProtocolSteps(TypedDict):
    """All of them, and how many calls these are: a helper's call is a step of each caller."""

    steps: list[StepFact]
    calls: int


class Catalogue(TypedDict):
    """The races that pgmap knows, by what shows them."""

    known: list[KnownRule]
    not_on_x86: list[NotOnX86]
    not_shown: list[NotShown]


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


class ToldFact(TypedDict):
    """A rule in which an era differs from its base, and how it is known that this era does."""

    rule: str
    value: str
    how: Literal["recorded", "source", "thread", "derived"]
    source: str


class EraFact(TypedDict):
    """An era, the facts behind it, and the races it is known to have.

    `base` is the era that it is a delta of, `kernels` the first and the last that it describes,
    `sound` the era with its known races mended, `told` what it does differently from its base.
    """

    name: str
    summary: str
    facts: str
    base: str | None
    kernels: tuple[str, str] | None
    sound: str
    known: list[KnownRaceFact]
    told: list[ToldFact]


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


class WeightsFact(TypedDict):
    """How likely a word of hunts is where workers are to be in each other's way."""

    user: int
    taker: int
    later: int
    behind: tuple[str, int] | None


class HuntedFact(TypedDict):
    """A word of hunts, what it stands for, and how likely it is."""

    word: str
    text: str
    weights: WeightsFact


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


class PrimitiveFact(TypedDict):
    """What a function of a driver can do: a row of the core's table of primitives."""

    word: str
    takes: Literal["nothing", "lock", "cell", "cell_and_value", "value"]
    stands: Literal["anywhere", "with_page", "once_in_alloc", "in_page_free"]
    sentence: str


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
    primitives: list[PrimitiveFact]
    lacking: list[LackingFact]
    errnos: list[ErrnoFact]
