"""``python -m pgmap.bench refcount --kill``: how long kills take, quiet and with a busy peer.

Times, not ratios: what matters of a kill is its slowest, and those have no floor but the clock's.
They are this machine's at this hour; a preempted peer is in the tail of whatever waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgmap._core_reports import KillReport, Percentiles

HEADS = ("p50", "p99", "p99.9", "most")


def cells(found: Percentiles | None) -> str:
    """Nanoseconds, in columns."""
    if found is None:
        return "  ".join(f"{'':>10}" for _ in HEADS)
    times = (found["p50"], found["p99"], found["p999"], found["most"])
    return "  ".join(f"{time:>10,}" for time in times)


def table(report: KillReport) -> Iterator[str]:
    """Yield the times as a table, the clock's own first."""
    schemes = report["schemes"]
    width = max((len(kills["scheme"]) for kills in schemes), default=0)
    width = max(width, len("reading the clock"))
    heads = "  ".join(f"{head:>10}" for head in HEADS)
    yield f"{'ns a kill':{width}}  {'quiet':^46}  {'a busy peer':^46}".rstrip()
    yield f"{'':{width}}  {heads}  {heads}"
    yield f"{'reading the clock':{width}}  {cells(report['floor'])}"
    for kills in schemes:
        row = f"{kills['scheme']:{width}}  {cells(kills['quiet'])}  {cells(kills['busy'])}"
        yield row.rstrip()
    yield ""
    yield f"Of {report['kills']:,} kills each; every one counted what was out, and every last put"
    yield "was told. Not a time of this scheme on another machine, nor of one with more processors:"
    yield "who waits for a preempted peer waits as long as that one does not run."
