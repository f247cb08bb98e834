"""How searches are told: the first line, the table of bounds, what was found and how again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pgmap
from pgmap._core_explore import (
    ExploreProgress,
    ExploreReport,
    Finding,
    FoundFirst,
    FoundReport,
    HuntProgress,
    MetReport,
    ReproduceProgress,
    Setting,
    TakenReport,
)
from pgmap._options import SearchOptions
from pgmap._output import Ink, Output
from pgmap._words import costs, counted, delays, results_words

# Of the rows of a diagram: the one where it shows, one that changes a word, steps not shown.
FAILS = re.compile(r"  <-(?: |$)")
CHANGE = re.compile(r"\[[^\[\]]* -> [^\[\]]*\]$")
LEFT_OUT = re.compile(r" +\.\.\. \d[\d,]* steps?")

MEMORIES = {"sc": "sequentially consistent memory", "tso": "x86-TSO memory"}


def header(command: str, era: str, breaks: Sequence[tuple[str, str]], what: str) -> str:
    """The first line: what is searched, under which rules."""
    broken = "".join(f"  {name}={value}" for name, value in breaks)
    return f"pgmap {pgmap.__version__} {command}  era={era}{broken}  {what}"


def machine(asked: SearchOptions, *, said: bool) -> str:
    """For the first line: the memory, `said` or not, and the TLBs, where they are not as usual."""
    words = ""
    if asked.memory != SearchOptions.memory:
        words += f"memory={asked.memory}{'' if said else ', which it needs'}  "
    return words + ("speculative-tlb  " if asked.speculative_tlb else "")


def memory(setting: Setting) -> str:
    """What memory and TLBs may do, in words."""
    ahead = ", TLBs load ahead" if setting["tlb"] == "speculative" else ""
    return MEMORIES[setting["memory"]] + ahead


def table(report: ExploreReport) -> list[str]:
    """The numbers of each bound, and of what was drawn."""
    rows = [("bound", "schedules", "cut", "points", "longest")]
    rows += [
        (
            "none" if bound["bound"] is None else str(bound["bound"]),
            f"{bound['schedules']:,}",
            f"{bound['pruned']:,}",
            f"{bound['points']:,}",
            f"{bound['longest']:,}",
        )
        for bound in report["bounds"]
    ]
    drawn = report["coverage"]
    if drawn is not None:
        schedules, points, longest = drawn["executions"], drawn["points"], drawn["longest"]
        rows.append(("drawn", f"{schedules:,}", "0", f"{points:,}", f"{longest:,}"))
    return columns(rows)


OUTCOMES_SHOWN = 24


def outcomes(report: ExploreReport, *, everything: bool) -> list[str]:
    """What each step came to; of a long program only the steps that do not always do the same."""
    rows = report["outcomes"]
    if not rows or not any(row["results"] for row in rows):
        return []
    shown = rows
    if len(rows) > OUTCOMES_SHOWN and not everything:
        shown = [row for row in rows if len(row["results"]) > 1][:OUTCOMES_SHOWN]
    told = [
        (
            row["step"] if row["label"] is None else f"{row['label']} ({row['step']})",
            row["text"],
            results_words(row["results"]),
        )
        for row in shown
    ]
    lines = ["step outcomes, and in how many of the schedules that were run to their end:"]
    lines += [f"  {line}" for line in columns_left(told)]
    left = len(rows) - len(shown)
    if left:
        lines.append(f"  and {left} more, with -v or --json")
    return lines


def lock_orders(report: ExploreReport) -> list[str]:
    """Locks that are taken in the wrong order, each with both orders and who takes them."""

    def taken(it: TakenReport) -> str:
        return (
            f"{it['by']} waits for {it['inner']} in {it['inner_in']} "
            f"and holds {it['outer']} since {it['outer_in']}"
        )

    lines = []
    for order in report["lock_orders"]:
        wrong, right = order["wrong"], order["right"]
        other = "" if right is None else f"; the right way round: {taken(right)}"
        lines.append(
            f"lock order: {wrong['inner']} goes before {wrong['outer']}, but {taken(wrong)}{other}"
        )
    return lines


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows under each other, everything to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def columns_left(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Rows under each other, everything to the left."""
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    return [f"{a.ljust(widths[0])}  {b.ljust(widths[1])}  {c}".rstrip() for a, b, c in rows]


def shrinking(glance: ExploreProgress | HuntProgress | ReproduceProgress) -> str:
    return (
        f"  shrinking: {glance['kept']} of {glance['tried']} changes kept, "
        f"{glance['tasks']} tasks with {glance['steps']} steps at once"
    )


def known_words(finding: Finding) -> str:
    """That it is no news, if the era is known to have it."""
    if finding["known"] is None:
        return ""
    return f" (known: {finding['known']}; goes away with {finding['goes_away_with']})"


def tell_known(out: Output, known: Sequence[MetReport], again: int = 0) -> None:
    """The races of the era that were met and passed over."""
    for met in known:
        out.result(
            f"Known: {met['id']} {met['title']}, in {counted(met['times'], 'schedule')}; goes away "
            f"with {met['goes_away_with']}. Shown by --known, or: "
            f"python -m pgmap.replay {met['token']}"
        )
    if known and again:
        out.detail(f"With these mended {counted(again, 'more schedule')} showed no news.")


def found_words(out: Output, found: FoundFirst) -> str:
    finding = found["finding"]
    needed, drawn = found["preemptions"], found["drawn"]
    late = delays(found["setting"]["memory"], found["setting"]["tlb"])
    much = "" if needed is None else f" with {costs(needed, delays=late)}"
    if drawn is not None:
        much += (
            f", drawn by {drawn['by']} as execution {drawn['execution']:,} of seed {drawn['seed']}"
        )
    known = known_words(finding)
    behind = f", behind known races: with {' '.join(found['mends'])}" if found["mends"] else ""
    words = f" {finding['title']}{much}{known}{behind}"
    return out.paint(f"found {finding['invariant']}", Ink.BAD) + words


def geometry(setting: Setting) -> str:
    sizes = setting["geometry"]
    without = "".join(f"without {step}, " for step in setting["without"])
    return (
        f"era {setting['era']}, {without}{counted(setting['tasks'], 'task')}, "
        f"{counted(sizes['cpus'], 'CPU')}, {counted(sizes['pages'], 'page')}, "
        f"PMD order {sizes['pmd_order']}"
    )


def diagram(out: Output, report: str) -> str:
    """A report with its colours: what is broken, where it shows, what is left out."""
    return "\n".join(_inked(out, line) for line in report.rstrip("\n").splitlines())


def _inked(out: Output, line: str) -> str:
    change = CHANGE.search(line)
    if line.startswith("BUG:") or FAILS.search(line):
        return out.paint(line, Ink.BAD)
    if change is not None:
        at = change.start()
        return line[:at] + out.paint(line[at:], Ink.WARN)
    if LEFT_OUT.fullmatch(line):
        return out.paint(line, Ink.DIM)
    return line


def ending(out: Output, found: FoundReport) -> None:
    """How small it was made, and how to run it again."""
    shrunk = found.get("shrunk")
    if shrunk is not None:
        before, after = shrunk["from"], shrunk["to"]
        stopped = "" if shrunk["complete"] else "; ended early"
        out.detail(
            f"Shrunk: {before['tasks']} -> {counted(after['tasks'], 'task')}, "
            f"{before['steps']} -> {counted(after['steps'], 'step')} "
            f"({shrunk['kept']} of {shrunk['tried']} changes kept{stopped})"
        )
    out.result(f"Token: {found['token']}")
    out.result(f"Again: python -m pgmap.replay {found['token']}")
