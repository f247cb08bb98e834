"""Whether a benchmark's row keeps its limit, or whether that can be said here and now at all.

A limit was set on a processor and says nothing about another one. On a machine that is busy with
something else every quotient swings, and a limit that a quarter of the rounds keep and a quarter
miss is neither kept nor missed. Two things tell: the row's own quartiles, and the null row, two
equal loops measured in the same rounds, which should differ by nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from pgmap._core_reports import BenchRow

NULL_TOLERANCE = 0.03


class Judgement(Enum):
    """What can be said about a row and its limit."""

    KEPT = "kept"
    MISSED = "missed"
    NOISY = "noisy"
    UNSET = "no limit set for this processor"


def null_is_off(environment: Mapping[str, Any]) -> bool:
    """Whether two equal loops differed here; who measured none cannot know that they did not."""
    null = environment.get("null_ratio")
    return not isinstance(null, float) or abs(null - 1) > NULL_TOLERANCE


def judge(row: BenchRow, environment: Mapping[str, Any]) -> Judgement:
    """Judge a row by its quartiles and the null row of the same rounds."""
    limit = row["limit"]
    if limit is None:
        return Judgement.UNSET
    if null_is_off(environment):
        return Judgement.NOISY
    low, high = widened(row["spread"], environment.get("null_spread", (1.0, 1.0)))
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
