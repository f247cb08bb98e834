"""``python -m pgmap.races matrix``: the program of every race, under every era.

A race is told with the rules that are wrong; the matrix asks which kernels have them. Each program
is searched under each era as it is, bound by bound, and its cell says what broke and with how few
preemptions, or that all was seen and nothing did. What an era cannot run is said, with the reason:
no cell is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgmap import _cli, _core_api
from pgmap._core_explore import ExploreReport
from pgmap._core_facts import KnownRule
from pgmap._drive import drive
from pgmap._exit import Exit, worst
from pgmap._matrix_plot import plot
from pgmap._objects import MatrixCell, MatrixRow
from pgmap._options import ExploreOptions
from pgmap._output import Output
from pgmap._progress import Progress, showing
from pgmap._signals import Signals
from pgmap._words import counted
from pgmap.errors import PgmapError

HOLDS, UNCLEAR, REFUSED = "holds", "?", "-"
NAME, CELL = 24, 13
MEANING = (
    f"I18/1: breaks I18, with one preemption at least; {HOLDS}: all was seen to the bound, and "
    f"nothing breaks; {UNCLEAR}: nobody can tell; {REFUSED}: the era cannot run the program"
)


def search(
    race: KnownRule,
    era: str,
    preemptions: int,
    core: _core_api.Core,
    signals: Signals,
    progress: Progress,
) -> MatrixCell | None:
    """What a program comes to under an era; None if somebody stopped it."""
    asked = ExploreOptions(
        era=era,
        preemptions=max(preemptions, race["preemptions"]),
        strategy="bounds",
        memory=race["needs"],
        speculative_tlb=race["tlb"] == "speculative",
        geometry=race["sizes"],
        known=True,
        shrink=False,
    )
    about = f"{race['name']} under {era}"
    try:
        run = core.explore_start(asked.config(program=race["program"]))
        report: ExploreReport = drive(run, signals, progress, describe=lambda _: [about])
    except PgmapError as error:
        return cell(era, REFUSED, why=str(error))
    if signals.stopped_by is not None:
        return None
    found = report["found"]
    if found is not None:
        finding = found["finding"]
        broken = cell(era, finding["invariant"], why=finding["title"])
        return {**broken, "preemptions": found["preemptions"], "token": found["token"]}
    return cell(era, HOLDS if report["verdict"] == "exhausted" else UNCLEAR, why=report["why"])


def cell(era: str, ends: str, *, why: str | None) -> MatrixCell:
    return {"era": era, "ends": ends, "preemptions": None, "token": None, "why": why}


def text_of(told: MatrixCell) -> str:
    """A cell in a few letters."""
    bound = told["preemptions"]
    return told["ends"] if bound is None else f"{told['ends']}/{bound}"


def run(
    chosen: Sequence[KnownRule],
    eras: Sequence[str],
    preemptions: int,
    out: Output,
    core: _core_api.Core,
    signals: Signals,
    *,
    progress: str,
    page: bool,
    picture: str | None = None,
) -> _cli.Outcome:
    """Search each under each, and print a row for each race."""
    rows: list[MatrixRow] = []
    for text in markdown(eras, preemptions) if page else [heading(eras)]:
        out.result(text)
    with showing(progress, out) as shown:
        for race in chosen:
            row = row_of(race, eras, preemptions, core, signals, shown)
            if row is None:
                break
            rows.append(row)
            with shown.aside():
                out.result((row_of_page if page else row_of_text)(row))
    complete = len(rows) == len(chosen)
    if picture is not None:
        try:
            plot(picture, rows, eras)
        except OSError as error:
            out.note(f"no picture in {picture}: {error.strerror}")
    if not page:
        partial = "" if complete else f" Interrupted after {counted(len(rows), 'race')}."
        broken = sum(it["preemptions"] is not None for row in rows for it in row["cells"])
        of = sum(len(row["cells"]) for row in rows)
        out.result(f"Result: {broken} of {of} cells break an invariant. {MEANING}.{partial}")
    codes = [Exit.OK if rows else Exit.NOTHING_RAN]
    if signals.exit is not None:
        codes.append(signals.exit)
    told = {"eras": list(eras), "preemptions": preemptions, "matrix": rows, "complete": complete}
    return _cli.Outcome(worst(codes), told)


def row_of(
    race: KnownRule,
    eras: Sequence[str],
    preemptions: int,
    core: _core_api.Core,
    signals: Signals,
    progress: Progress,
) -> MatrixRow | None:
    """A race under each era; None if somebody stopped it."""
    cells = []
    for era in eras:
        told = None
        if signals.stopped_by is None:
            told = search(race, era, preemptions, core, signals, progress)
        if told is None:
            return None
        cells.append(told)
    return {"race": race["name"], "number": race["number"], "cells": cells}


def heading(eras: Sequence[str]) -> str:
    return "".join([" " * NAME, *(f"{era:>{CELL}}" for era in eras)])


def row_of_text(row: MatrixRow) -> str:
    return "".join([f"{row['race']:{NAME}}", *(f"{text_of(it):>{CELL}}" for it in row["cells"])])


def markdown(eras: Sequence[str], preemptions: int) -> Iterator[str]:
    """The head of docs/matrix.md."""
    yield "# Every race under every era"
    yield ""
    within = counted(preemptions, "preemption")
    yield "Made by `python -m pgmap.races matrix --page > docs/matrix.md`. The program of each race"
    yield "(`python -m pgmap.races show NAME`) is searched under the rules of each era as they are,"
    yield f"known races included, to {within}, or as many as it needs. A race's own"
    yield "wrong rule is in force only where an era has it, so a program can break what its race is"
    yield "not about, or nothing. Which rules make the difference between two cells is told by"
    yield "`python -m pgmap.explore PROGRAM --between ERA ERA`."
    yield ""
    yield f"{MEANING}."
    yield ""
    yield f"| race | {' | '.join(eras)} |"
    yield f"|---|{'---|' * len(eras)}"


def row_of_page(row: MatrixRow) -> str:
    return f"| {row['race']} | {' | '.join(text_of(it) for it in row['cells'])} |"
