"""``--compare OLD.json``: a benchmark beside one that was kept, row by row.

Two runs are two machines, even on one: what can be compared is their ratios, each to a floor of
the same rounds. A row has changed if its quartiles lie apart from the old ones, both widened by
what the null rows of their runs differ by; else nothing is said of it, however the medians lie.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgmap import _cli
from pgmap._core_reports import BenchReport, BenchRow
from pgmap._exit import Exit
from pgmap._judge import null_of, widened
from pgmap._output import Output


@dataclass(frozen=True)
class Change:
    """One row, before and now."""

    name: str
    before: float
    after: float
    speed: float
    """How fast it is, as a multiple of what it was."""
    apart: bool
    """The two lie further apart than either run swings."""


def kept(path: str) -> dict[str, Any]:
    """Read the object that an earlier run wrote with ``--json``."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise _cli.UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _cli.UsageError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict) or value.get("command") != "bench" or "rows" not in value:
        raise _cli.UsageError(f"{path} is not what python -m pgmap.bench --json writes")
    return value


def compare(
    old: Mapping[str, Any], report: BenchReport, fail_below: float | None, out: Output
) -> Iterator[Exit]:
    """Tell what has changed; yield what that makes of the exit code."""
    here: Mapping[str, Any] = report.get("environment", {})
    reason = why_not(old, here)
    if reason is not None:
        out.result(f"Not compared: {reason}")
        yield Exit.INCONCLUSIVE
        return
    found = list(changes(old, report["rows"], here))
    changed = [change for _, change in found if change is not None]
    for line in told(changed, fail_below):
        out.result(line)
    for name, change in found:
        if change is None:
            out.result(f"{name}: not compared, its floor differed from itself then or now")
    if not changed:
        yield Exit.INCONCLUSIVE if found else Exit.NOTHING_RAN
    if any(too_slow(change, fail_below) for change in changed):
        yield Exit.FOUND


def why_not(old: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Why two runs cannot be compared: no null rows in one, or other processors."""
    before = old.get("environment", {})
    if not before.get("nulls"):
        return "the old run has no null rows, or those of an older version"
    if not here.get("nulls"):
        return "this run has no null rows"
    if before.get("cpu") != here.get("cpu"):
        return f"the old run is of another processor: {before.get('cpu')}"
    return None


def changes(
    old: Mapping[str, Any], rows: Sequence[BenchRow], here: Mapping[str, Any]
) -> Iterator[tuple[str, Change | None]]:
    """Compare the rows that both runs have; `None` for one that is void in either."""
    before: dict[str, BenchRow] = {row["name"]: row for row in old["rows"]}
    for row in rows:
        was = before.get(row["name"])
        if was is None or was["floor"] != row["floor"]:
            continue
        then, now = null_of(was, old["environment"]), null_of(row, here)
        if then is None or now is None or then.is_off or now.is_off:
            yield row["name"], None
            continue
        low, high = widened(was["spread"], then.spread)
        below, above = widened(row["spread"], now.spread)
        is_cost = row["sense"] == "at most"
        speed = was["ratio"] / row["ratio"] if is_cost else row["ratio"] / was["ratio"]
        apart = high < below or above < low
        yield row["name"], Change(row["name"], was["ratio"], row["ratio"], speed, apart)


def told(found: Sequence[Change], fail_below: float | None) -> Iterator[str]:
    """Yield what has changed, the slowest first, and how many rows have not."""
    apart = sorted((change for change in found if change.apart), key=lambda change: change.speed)
    yield ""
    yield f"Compared: {len(found)} rows, {len(apart)} apart"
    for change in apart:
        mark = "  BELOW" if too_slow(change, fail_below) else ""
        yield (
            f"{change.name}: {change.before:.2f} was, {change.after:.2f} is: "
            f"{change.speed:.2f} times as fast{mark}"
        )


def too_slow(change: Change, fail_below: float | None) -> bool:
    """Whether a row is slower than is allowed, and surely so."""
    return fail_below is not None and change.apart and change.speed < fail_below
