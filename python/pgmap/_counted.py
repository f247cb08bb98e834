"""``python -m pgmap.bench refcount --count``: what a get and a put ask of the machine, not timed.

Locked instructions, loads, stores, and how often a cache line changes hands. The core takes the
counts off the schemes' own source under its scheduler, by turns and without a clock, so they are
exact and the same everywhere; docs/refcounts.md says what follows from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from pgmap._core_reports import SchemeCount

#: Headings: of one CPU alone, and of several that take turns.
ALONE = ("locked", "loads", "stores")
BY_TURNS = ("locked", "hand-offs by pair", "by operation")


def each(total: int, pairs: int) -> str:
    """So much of so many pairs, as a number of one."""
    return f"{total / pairs:.2f}".rstrip("0").rstrip(".")


def by_turns(count: SchemeCount) -> tuple[str, str, str]:
    """Locked instructions and hand-offs of a pair where several take turns."""
    shared = count["shared"]
    if shared is None:
        return ("", "", "")
    pairs, operations, of = shared["pairs"], shared["operations"], shared["cpus"]
    totals = (operations["locked"], pairs["hand_offs"], operations["hand_offs"])
    locked, by_pairs, by_operations = (each(total, of) for total in totals)
    return (locked, by_pairs, by_operations)


def table(counts: Sequence[SchemeCount]) -> Iterator[str]:
    """Yield the counts of a pair as a table, group by group."""
    width = max((len(count["name"]) for count in counts), default=0)
    turns = {count["shared"]["cpus"] for count in counts if count["shared"] is not None}
    above = f"{'':{width}}  {'alone':^22}  {f'{max(turns, default=0)} CPUs by turns':^39}"
    yield above.rstrip()
    heads = [f"{head:>6}" for head in ALONE] + [f"{head:>{at}}" for head, at in _widths()]
    yield f"{'':{width}}  {'  '.join(heads)}"
    for group, members in groupby(counts, key=lambda count: count["group"]):
        yield f"{group}:"
        for count in members:
            alone: Mapping[str, object] = {**count["alone"]}
            cells = [f"{alone[head]!s:>6}" for head in ALONE]
            told = zip(by_turns(count), _widths(), strict=True)
            cells += [f"{cell:>{at}}" for cell, (_, at) in told]
            yield f"{count['name']:{width}}  {'  '.join(cells)}".rstrip()
    yield ""
    yield "Of a get and a put. By turns: how often a line changes hands if a CPU's turn is a pair,"
    yield "or one operation. Not a time: what a hand-off costs, only a measurement says."


def _widths() -> Iterator[tuple[str, int]]:
    return ((head, max(6, len(head))) for head in BY_TURNS)
