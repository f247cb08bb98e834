"""Whether a benchmark's row keeps its limit, or whether that can be said here and now at all.

A limit was set on a processor and says nothing about another one. On a machine that is busy with
something else every quotient swings, and a limit that a quarter of the rounds keep and a quarter
miss is neither kept nor missed. Two things tell: the row's own quartiles, and a null row, two
equal loops measured in the same rounds, which should differ by nothing. What is compared with
others and not with limits has a null row for each floor, and is void where that one is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from pgmap._core_reports import BenchRow

NULL_TOLERANCE = 0.03
#: The floor of a null row that stands for every floor without one.
ITSELF = "itself"


class Null(NamedTuple):
    """A floor against itself."""

    ratio: float
    """The median of the rounds' ratios."""
    spread: tuple[float, float]
    """Their quartiles."""
    sure: tuple[float, float]
    """Where the median lies for sure, as far as so many rounds can tell."""

    @property
    def is_off(self) -> bool:
        """Whether two equal loops differed."""
        return abs(self.ratio - 1) > NULL_TOLERANCE

    @property
    def is_void(self) -> bool:
        """Whether they differed, or swung so far that nobody can be sure that they did not."""
        low, high = self.sure
        return self.is_off or high - low > 2 * NULL_TOLERANCE


class Judgement(Enum):
    """What can be said about a row and its limit."""

    KEPT = "kept"
    MISSED = "missed"
    NOISY = "noisy"
    UNSET = "no limit set for this processor"
    COMPARED = "compared"
    """It has no limit: a suite that only compares."""


def null_of(row: BenchRow, environment: Mapping[str, Any]) -> Null | None:
    """The null row of a row's floor; `None` if it was not measured: nobody knows, then."""
    nulls = {null["floor"]: null for null in environment.get("nulls", ())}
    null = nulls.get(row["floor"], nulls.get(ITSELF))
    return None if null is None else read_null(null)


def read_null(null: Mapping[str, Any]) -> Null:
    """A null row of a report."""
    (low, high), (below, above) = null["spread"], null["sure"]
    return Null(null["ratio"], (low, high), (below, above))


def is_void(row: BenchRow, environment: Mapping[str, Any]) -> bool:
    """Whether nothing can be read from a row that is compared and has no limit."""
    null = null_of(row, environment)
    return null is None or null.is_void


def compared(row: BenchRow, environment: Mapping[str, Any]) -> Judgement:
    """Judge a row that is compared with others."""
    return Judgement.NOISY if is_void(row, environment) else Judgement.COMPARED


def judge(row: BenchRow, environment: Mapping[str, Any]) -> Judgement:
    """Judge a row by its quartiles and the null row of the same rounds."""
    limit = row["limit"]
    if limit is None:
        return Judgement.UNSET
    null = null_of(row, environment)
    if null is None or null.is_off:
        return Judgement.NOISY
    low, high = widened(row["spread"], null.spread)
    if row["sense"] == "at most":
        kept, missed = high <= limit, low > limit
    else:
        kept, missed = low >= limit, high < limit
    if kept:
        return Judgement.KEPT
    return Judgement.MISSED if missed else Judgement.NOISY


def widened(spread: tuple[float, float], null_spread: tuple[float, float]) -> tuple[float, float]:
    """Add to a row's quartiles what two equal loops differ by: so much may be nobody's doing."""
    (low, high), (below, above) = spread, null_spread
    return low / max(above, 1.0), high / min(below, 1.0)
