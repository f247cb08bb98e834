"""What ``python -m pgmap.bench`` prints: rows as a table, what cannot be told, the model check."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from pgmap._core_reports import BenchRow, SchemeFinding
from pgmap._judge import Judgement
from pgmap._output import Ink, Output


def draw(judged: Sequence[tuple[BenchRow, Judgement]], out: Output) -> Iterator[str]:
    """Yield the rows as a table."""
    if not judged:
        return
    width = max(len(row["name"]) for row, _ in judged)
    unset = f"  {out.paint(Judgement.UNSET.value, Ink.DIM)}"
    limits = any(row["limit"] is not None or row["set_on"] for row, _ in judged)
    last = "limit" if limits else "95 % sure"
    yield f"{'':{width}}  {'ratio':>7}  {'p25..p75':>15}  {last:>13}  floor"
    for row, judgement in judged:
        low, high = row["spread"]
        sign = "<=" if row["sense"] == "at most" else ">="
        limit = "" if row["limit"] is None else f"{sign} {row['limit']:g}"
        told = limit if limits else "{:.2f}..{:.2f}".format(*row["sure"])
        mark = {
            Judgement.KEPT: "",
            Judgement.MISSED: f"  {out.paint('MISSED', Ink.BAD)}{by_how_much(row)}",
            Judgement.NOISY: f"  {out.paint('noisy', Ink.WARN)}",
            Judgement.UNSET: unset if row["set_on"] else "",
            Judgement.COMPARED: "",
        }[judgement]
        yield (
            f"{row['name']:{width}}  {row['ratio']:>6.2f}x  {f'{low:.2f}..{high:.2f}':>15}  "
            f"{told:>13}  {row['floor']}{mark}"
        )


def told_of(judged: Sequence[tuple[BenchRow, Judgement]]) -> list[BenchRow]:
    """Rows from which something can be read."""
    return [row for row, judgement in judged if judgement is not Judgement.NOISY]


def undecided(judged: Sequence[tuple[BenchRow, Judgement]]) -> Iterator[str]:
    """Yield what this machine cannot tell about its own figures."""
    cpus = os.cpu_count() or 1
    close = [row["name"] for row in told_of(judged) if row["sure"][0] <= 1 <= row["sure"][1]]
    yield ""
    if cpus < 4:
        yield f"Cannot be told here: how a scheme scales ({cpus} processors, an exponent wants 4)"
    yield "Cannot be told in user space: preemption and interrupts off, this_cpu, real RCU"
    if close:
        yield f"Not told apart from the floor: {'; '.join(close)}"


#: How rows of the suite pgmap end that take a pagemap reference for each page reference.
FOR_EACH = ", one for 1"


def break_even(judged: Sequence[tuple[BenchRow, Judgement]]) -> Iterator[str]:
    """Yield, for each way to count, what an unmap may cost more if GUP need not pay."""
    paid = [row for row in told_of(judged) if row["name"].endswith(FOR_EACH) and row["sure"][0] > 1]
    if not paid:
        return
    yield ""
    yield "A GUP that need not take a pagemap reference, for an unmap that is slower by so much"
    yield "(in page references, a get and a put each) if there are ten GUPs for each unmap:"
    for row in paid:
        yield f"  {row['name'].removesuffix(FOR_EACH)}: {10 * (row['ratio'] - 1):.1f}"


def checked(findings: Sequence[SchemeFinding]) -> Iterator[str]:
    """Yield what the model check says, a line each."""
    if not findings:
        return
    yield ""
    yield f"Model check: every order with at most {findings[0]['bound']} preemptions"
    width = max(len(finding["variant"]) for finding in findings)
    for finding in findings:
        variant, asked = finding["variant"], finding["asked"]
        if finding["verdict"] == "broken":
            said = f"broken, {finding['preemptions']} preemptions: {finding['why']}"
        else:
            said = finding["verdict"]
        yield f"{variant:{width}}  {asked}: {said}"


def by_how_much(row: BenchRow) -> str:
    """How far a missed row is from its limit."""
    if not row["limit"]:
        return ""
    return f" by {abs(row['ratio'] / row['limit'] - 1):.0%}"
