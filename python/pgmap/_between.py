"""What ``python -m pgmap.explore PROGRAM --between A B`` does: name the rules that decide.

Two eras differ in a dozen rules, and a program ends otherwise under one than under the other. The
program is searched under the rules of one with some of the other's instead, the fewest first: sets
of one rule, of two, of three; beyond that all of them, without each that can be spared. So a set
that is told is enough, and none with fewer rules is, or, beyond three, none of its own is in vain.

It is asked both ways. What must change for the program to fail is one question, what must change
for it to hold is another: a race that takes two wrong rules is mended by either of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from pgmap import _cli, _core_api
from pgmap._args import rule
from pgmap._cli import UsageError
from pgmap._core_explore import ExploreReport
from pgmap._drive import drive
from pgmap._exit import Exit, worst
from pgmap._objects import Between, BetweenSide, RuleChange, Towards
from pgmap._options import ExploreOptions
from pgmap._output import Ink, Output
from pgmap._progress import Progress, showing
from pgmap._signals import Signals
from pgmap._words import counted
from pgmap.errors import PgmapError

EVERY = 3
"""Sets of so many rules at most are all tried; larger ones are reached by leaving rules out."""

Enough = Callable[[frozenset[str]], bool]


class Stopped(Exception):
    """Somebody has seen enough."""


def smallest(rules: Sequence[str], is_enough: Enough) -> list[frozenset[str]]:
    """The smallest sets of rules that are enough, of which the whole is one."""
    for size in range(1, min(EVERY, len(rules)) + 1):
        sets = [frozenset(some) for some in combinations(rules, size)]
        found = [some for some in sets if is_enough(some)]
        if found:
            return found
    left = frozenset(rules)
    for one in rules:
        if len(left) > 1 and is_enough(left - {one}):
            left -= {one}
    return [left]


@dataclass(frozen=True)
class Side:
    """An era, some of its rules changed."""

    name: str
    era: str
    breaks: tuple[tuple[str, str], ...]
    rules: Mapping[str, str] = field(default_factory=dict)
    """The value of every rule."""

    @classmethod
    def read(cls, text: str) -> Side:
        """``ERA`` or ``ERA,RULE=VALUE,...``."""
        era, *changes = text.split(",")
        return cls(text, era, tuple(rule(change) for change in changes))

    def known(self, core: _core_api.Core) -> Side:
        """The same with all its rules; raises if there is no such era, rule or value."""
        core.check_rules(self.era, self.breaks)
        rules = {fact["name"]: fact["eras"][self.era] for fact in core.facts()["rules"]}
        return replace(self, rules=rules | dict(self.breaks))

    def with_rules_of(self, other: Side, some: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """What changes if some rules are as the other has them."""
        return tuple((dict(self.breaks) | {name: other.rules[name] for name in some}).items())


@dataclass
class Search:
    """Searches of one program under many rules."""

    core: _core_api.Core
    options: ExploreOptions
    program: str
    signals: Signals
    progress: Progress
    searches: int = 0
    refused: int = 0
    """Sets of rules that no machine can have together."""
    unclear: int = 0
    """Searches that could not tell."""
    ends: dict[tuple[str, tuple[tuple[str, str], ...]], ExploreReport] = field(default_factory=dict)

    def report(self, side: Side, breaks: tuple[tuple[str, str], ...]) -> ExploreReport:
        """How it ends under these rules."""
        known = self.ends.get((side.era, breaks))
        if known is not None:
            return known
        if self.signals.stopped_by is not None:
            raise Stopped
        asked = self.options.config(program=self.program)
        asked.update(era=side.era, breaks=list(breaks), known=True, shrink=False)
        about = f"search {self.searches + 1}: {side.era} {' '.join('='.join(it) for it in breaks)}"
        run = self.core.explore_start(asked)
        report: ExploreReport = drive(
            run, self.signals, self.progress, describe=lambda _: [about.rstrip()]
        )
        if self.signals.stopped_by is not None:
            raise Stopped
        self.searches += 1
        self.unclear += report["verdict"] == "inconclusive"
        self.ends[side.era, breaks] = report
        return report

    def towards(self, one: Side, other: Side, differ: Sequence[str]) -> Towards:
        """What of the other's rules makes it end as under the other."""
        wanted = ending(self.report(other, other.breaks))

        def is_enough(some: frozenset[str]) -> bool:
            try:
                return ending(self.report(one, one.with_rules_of(other, sorted(some)))) == wanted
            except PgmapError:
                self.refused += 1
                return False

        sets = smallest(differ, is_enough)
        return {
            "of": one.name,
            "ends_as": other.name,
            "sets": [[change(name, one, other) for name in sorted(some)] for some in sets],
        }


def ending(report: ExploreReport) -> str | None:
    """The invariant that breaks, "holds", or None if nobody can tell."""
    found = report["found"]
    if found is not None:
        return found["finding"]["invariant"]
    return None if report["verdict"] == "inconclusive" else "holds"


def change(name: str, one: Side, other: Side) -> RuleChange:
    return {"rule": name, "of": one.rules[name], "to": other.rules[name]}


def between(
    asked: Sequence[Side],
    options: ExploreOptions,
    program: str,
    out: Output,
    core: _core_api.Core,
    signals: Signals,
    progress: str,
) -> _cli.Outcome:
    """Search under both, and under some of both, and tell what decides."""
    one, other = (side.known(core) for side in asked)
    differ = [name for name, value in one.rules.items() if other.rules[name] != value]
    if not differ:
        raise UsageError(f"{one.name} and {other.name} have the same rules")
    told: Between = {"sides": [], "differ": len(differ), "towards": [], "complete": False}
    with showing(progress, out) as shown:
        search = Search(core, options, program, signals, shown)
        try:
            for side in (one, other):
                told["sides"].append(side_of(side, search.report(side, side.breaks)))
            ends = {side["ends"] for side in told["sides"]}
            if len(ends) == 2 and None not in ends:
                told["towards"].append(search.towards(one, other, differ))
                told["towards"].append(search.towards(other, one, differ))
            told["complete"] = True
        except Stopped:
            pass
    tell(out, told, search, signals)
    codes = [Exit.OK if told["sides"] else Exit.NOTHING_RAN]
    if any(side["ends"] is None for side in told["sides"]):
        codes.append(Exit.INCONCLUSIVE)
    if signals.exit is not None:
        codes.append(signals.exit)
    figures = {
        "searches": search.searches,
        "refused": search.refused,
        "unclear": search.unclear,
    }
    return _cli.Outcome(worst(codes), {"between": told, **figures})


def side_of(side: Side, report: ExploreReport) -> BetweenSide:
    found = report["found"]
    return {
        "name": side.name,
        "ends": ending(report),
        "title": None if found is None else found["finding"]["title"],
        "verdict": report["verdict"],
        "token": None if found is None else found["token"],
    }


def tell(out: Output, told: Between, search: Search, signals: Signals) -> None:
    """The answer, in words."""
    for side in told["sides"]:
        out.result(f"{side['name']}: {words_of(side)}")
    for way in told["towards"]:
        out.result(f"{way['of']} ends as {way['ends_as']} does with the other's")
        for some in way["sets"]:
            changes = ", ".join(f"{it['rule']}={it['to']} (here: {it['of']})" for it in some)
            out.result(f"  {changes}")
    out.result(f"Result: {result(out, told)} ({figures(search)}).{partial(signals)}")


def words_of(side: BetweenSide) -> str:
    if side["ends"] is None:
        return "nobody can tell"
    if side["title"] is None:
        return "holds" if side["verdict"] == "exhausted" else "nothing found, and not all was seen"
    return f"{side['ends']} {side['title']}"


def result(out: Output, told: Between) -> str:
    sides = told["sides"]
    if len(sides) == 2 and sides[0]["ends"] == sides[1]["ends"] is not None:
        return "it ends alike under both, so no rule decides"
    if not told["towards"]:
        return out.paint("nobody can tell", Ink.WARN)
    names = sorted({it["rule"] for way in told["towards"] for some in way["sets"] for it in some})
    return f"{out.paint(', '.join(names), Ink.GOOD)} of {counted(told['differ'], 'rule')} decide"


def figures(search: Search) -> str:
    refused = f", {search.refused} sets that no machine can have" if search.refused else ""
    unclear = f", {search.unclear} that could not tell" if search.unclear else ""
    return f"searches: {search.searches}{unclear}{refused}"


def partial(signals: Signals) -> str:
    return "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
