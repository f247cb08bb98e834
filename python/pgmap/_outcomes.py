"""Every result that a program can have, with an execution that shows it, as of a litmus test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgmap import _core
from pgmap._search import explore
from pgmap.build import Builder, text_of
from pgmap.verdicts import Exhausted, Found

NOT_BEGUN = "not begun"
"""What a step comes to that nobody begins, for the one before it waits for ever."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All outcomes of a program within a bound of preemptions."""

    program: str
    steps: tuple[str, ...]
    """The steps behind ``start``, such as ``w0.1``; each outcome has a result for each."""
    witnesses: Mapping[tuple[str, ...], str]
    """By outcome: a token, which `pgmap.replay` runs."""
    bound: int | None
    """Most preemptions; `None`: whatever the preemptions."""

    def __str__(self) -> str:
        rows = [", ".join(map(" = ".join, zip(self.steps, it, strict=True))) for it in self]
        return "\n".join(rows)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(sorted(self.witnesses))

    def __len__(self) -> int:
        return len(self.witnesses)

    def __contains__(self, outcome: object) -> bool:
        return outcome in self.witnesses


def outcomes(program: str | _core.Program | Builder, **options: Any) -> Outcomes:
    """Every combination of results that the steps of `program` come to, with a witness each.

    `options` are those of `pgmap.explore`, but for ``strategy``: within a bound the set is exact.
    The steps' results are searched for one after the other, so what takes time is how many outcomes
    there are. `DoesNotHold` if the program breaks, or if the budget does not exhaust the bound;
    `TypeError` if it has expectations.
    """
    text = _core.Program(text_of(program)).text
    if any(line.split()[0] in ("expect", "never", "sometimes") for line in text.splitlines()):
        raise TypeError("outcomes are of a program without expectations")
    told = {**options, "strategy": "bounds"}
    verdict = explore(text, **told)
    verdict.assert_holds(exhausted=True)
    assert isinstance(verdict, Exhausted)
    results = {row.step: tuple(row.results) for row in verdict.outcomes}
    found = dict(_found(text, results, (), {**told, "shrink": False}))
    return Outcomes(verdict.program, tuple(results), found, verdict.bound)


def _found(
    text: str, results: Mapping[str, tuple[str, ...]], so_far: tuple[str, ...], told: dict[str, Any]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The outcomes that begin with these results."""
    steps = list(results)
    this = steps[len(so_far)]
    for result in results[this]:
        begun = (*so_far, result)
        said = (_that(it, came, results[it]) for it, came in zip(steps, begun, strict=False))
        verdict = explore(f"{text}never {' and '.join(filter(None, said))}\n", **told)
        if not isinstance(verdict, Found):
            verdict.assert_holds(exhausted=True)
        elif len(begun) == len(steps):
            yield begun, verdict.token
        else:
            yield from _found(text, results, begun, told)


def _that(step: str, result: str, results: tuple[str, ...]) -> str:
    """The condition that a step comes to a result; for one that has not begun there is no word."""
    if result != NOT_BEGUN:
        return f"{step} = {result}"
    return " and ".join(f"{step} != {other}" for other in results if other != NOT_BEGUN)
