"""What each command puts into its JSON object: the reports of the core, and what the command adds.

`Envelope` is in every object. A command that ends before it has a result (a bad option, an
interruption) has the envelope, what it knew until then, and `Failure` or `Shown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from pgmap._core_explore import (
    ExploreReport,
    HuntReport,
    Replayed,
    ReproduceReport,
    RunReport,
    Shrunk,
)
from pgmap._core_facts import (
    EraFact,
    KnownRule,
    LackingFact,
    MeaningFact,
    NotOnX86,
    NotShown,
    OperationFact,
    PrimitiveFact,
    ProtocolSteps,
    RuleFact,
)
from pgmap._core_reports import (
    BenchRow,
    Conformance,
    Footprint,
    KillReport,
    SchemeCount,
    SchemeFinding,
    StressReport,
)


class Envelope(TypedDict):
    """What every object has: which command of which version, and how it ended."""

    schema: str
    command: str
    pgmap: str
    ok: bool
    exit: int
    seconds: float


class Error(TypedDict):
    """An exception, in a sentence."""

    kind: str
    message: str


class Failure(TypedDict):
    """There is no result, and this is why."""

    error: Error


class Shown(TypedDict):
    """Help or version was asked for, and this is it."""

    text: str


class StressObject(StressReport):
    """What real threads came to, and what the explorer made of what they saw."""

    config: Mapping[str, Any]
    build: Mapping[str, Any]
    reproduced: ReproduceReport | None


class ExploreObject(ExploreReport):
    """What a search of one program came to; ``source`` says where the program is from."""

    config: Mapping[str, Any]
    build: Mapping[str, Any]
    source: str
    token: str | None


class HuntObject(HuntReport):
    """What a search of all programs of some words came to."""

    config: Mapping[str, Any]
    build: Mapping[str, Any]
    token: str | None


class Language(TypedDict):
    """Every operation of the language, and what its words mean."""

    operations: list[OperationFact]
    kinds: list[MeaningFact]
    returns: list[MeaningFact]
    primitives: list[PrimitiveFact]
    lacking: list[LackingFact]


class AblatedStep(TypedDict):
    """What breaks without a step of the protocol, as far as was searched."""

    step: str
    kind: str
    function: str
    place: str
    outcome: Literal["broken", "nothing", "no set-up", "panic", "never run"]
    invariant: str | None
    title: str | None
    preemptions: int | None
    source: str | None
    token: str | None
    why: str | None
    programs: int
    schedules: int
    too_long: int
    seconds: float


class AblateObject(TypedDict):
    """What breaks without each step, and of how many calls of primitives that is asked."""

    config: Mapping[str, Any]
    build: Mapping[str, Any]
    steps: int
    calls: int
    rows: list[AblatedStep]
    untried: list[str]
    """Steps that have no row, by name."""
    complete: bool


class StepsObject(TypedDict):
    """The steps that there are."""

    protocol: ProtocolSteps


class RuleChange(TypedDict):
    """A rule, as it is, and as it is to be."""

    rule: str
    of: str
    to: str


class BetweenSide(TypedDict):
    """How a program ends under the rules of an era, perhaps with some changed.

    `ends` is the invariant that breaks, ``holds``, or null if nobody can tell.
    """

    name: str
    ends: str | None
    title: str | None
    verdict: str
    token: str | None


class Towards(TypedDict):
    """The smallest sets of rules with which it ends under one side as under the other."""

    of: str
    ends_as: str
    sets: list[list[RuleChange]]


class Between(TypedDict):
    """Which of the rules in which two eras differ decide how a program ends."""

    sides: list[BetweenSide]
    differ: int
    towards: list[Towards]
    complete: bool


class BetweenObject(TypedDict):
    """What the searches under some rules of one era and some of another came to."""

    config: Mapping[str, Any]
    build: Mapping[str, Any]
    source: str
    between: Between
    searches: int
    refused: int
    unclear: int


class LanguageObject(TypedDict):
    """What a program can say."""

    build: Mapping[str, Any]
    language: Language


class RunObject(RunReport):
    """What each step of a program came to, once."""

    source: str


class ReplayObject(Replayed):
    """What a token came to."""

    token: str
    build: Mapping[str, Any]


class JudgedRow(BenchRow):
    """One cost, and whether it is as low as it has to be."""

    judgement: str


class _Machine(TypedDict, total=False):
    """The machine, and how far its ratios can be trusted."""

    environment: Mapping[str, Any]


class _Checked(TypedDict, total=False):
    """What was searched besides."""

    verdicts: list[SchemeFinding]


class BenchObject(_Machine, _Checked):
    """What each primitive costs, against its floor."""

    suite: str
    config: Mapping[str, Any]
    build: Mapping[str, Any]
    cpus: int | None
    cautions: list[str]
    rows: list[JudgedRow]
    complete: bool


class CountObject(TypedDict):
    """What each reference-count scheme asks of the machine."""

    suite: str
    counts: list[SchemeCount]
    complete: bool


class KillObject(KillReport):
    """How long kills take."""

    suite: str
    complete: bool


class MemoryObject(TypedDict):
    """What counts take."""

    suite: str
    footprints: list[Footprint]
    complete: bool


class ComparedFile(Conformance):
    """One recording that was compared."""

    file: str
    exit: int


class RefusedFile(TypedDict):
    """One file that could not be."""

    file: str
    exit: int
    error: Error


class ConformObject(TypedDict):
    """How each recording compares."""

    files: list[ComparedFile | RefusedFile]
    complete: bool


class SearchNumbers(TypedDict):
    """How much a search of a self-test was."""

    verdict: str
    longest: int
    schedules: int
    pruned: int
    seconds: float


class SelftestRow(TypedDict):
    """What became of one entry of the catalogue."""

    rule: str
    race: str
    invariant: str | None
    preemptions: int
    needs: str
    ok: bool
    complete: bool
    failures: list[str]
    replays: int
    token: str | None
    shrunk: Shrunk | None
    wrong: SearchNumbers | None
    right: SearchNumbers | None
    silent: SearchNumbers | None


class SelftestList(TypedDict):
    """The wrong rules there are."""

    wrong_rules: list[str]
    not_on_x86: list[NotOnX86]
    not_shown: list[NotShown]


class SelftestObject(SelftestList):
    """What became of each wrong rule."""

    build: Mapping[str, Any]
    rows: list[SelftestRow]
    complete: bool


class RacesList(TypedDict):
    """The races of the catalogue, or those that were asked for."""

    races: list[KnownRule | NotOnX86 | NotShown]


class RacesRun(TypedDict):
    """What became of the races that were chosen."""

    chosen: list[str]
    rows: list[SelftestRow]
    complete: bool


class MatrixCell(TypedDict):
    """What a program comes to under an era.

    `ends` is the invariant that breaks, ``holds``, ``?`` if nobody can tell, ``-`` if the era
    cannot run it; `why` says more, where there is more to say.
    """

    era: str
    ends: str
    preemptions: int | None
    token: str | None
    why: str | None


class MatrixRow(TypedDict):
    """A race under each era."""

    race: str
    number: str | None
    cells: list[MatrixCell]


class RacesMatrix(TypedDict):
    """The programs of races, each under every era as it is."""

    chosen: list[str]
    eras: list[str]
    preemptions: int
    matrix: list[MatrixRow]
    complete: bool


class RulesObject(TypedDict):
    """Rules, with their values in these eras."""

    eras: list[EraFact]
    rules: list[RuleFact]


class RulesPage(TypedDict):
    """The page docs/rules.md."""

    page: str


class Explained(TypedDict):
    """One name, and what it means."""

    name: str
    sort: str
    meaning: str
    more: list[str]


class ExplainObject(TypedDict):
    """What names mean."""

    entries: list[Explained]
