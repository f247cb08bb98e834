"""``python -m pgmap.conform FILE...``: hold the model against recordings of real kernels.

A recording says what struct pages looked like after each step on a real kernel. The core replays
the steps on a world under the kernel's own faithful era and compares words, return values and
blocking after every one. This module reads the files, tells the outcome of each, and draws the
first difference side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pgmap
from pgmap import _cli, _core_api, errors
from pgmap._core_reports import Conformance, Difference
from pgmap._exit import Exit, worst
from pgmap._input import STDIN, Unreadable, read
from pgmap._objects import ConformObject
from pgmap._output import Ink, Output, Verbosity
from pgmap._signals import Signals


class Conform:
    """The command."""

    name = "conform"
    summary = "replay recordings of real kernels and compare after every step"
    about = (
        "Replays recordings of real kernels on the model and compares refcount, mapcounts, pins,\n"
        "order, mapping, return value and blocking after every step. A folder stands for all the\n"
        "*.json in it and in the folders below. With several files the most serious outcome\n"
        "decides the exit code."
    )
    examples: tuple[tuple[str, str], ...] = (
        (
            "python -m pgmap.conform tests/fixtures/traces/6.16/ext4_pte_lifecycle.json",
            "one recording; a side-by-side table at the first difference, if there is one",
        ),
        (
            "python -m pgmap.conform tests/fixtures/traces --json report.json",
            "a tree of recordings, with the comparison of each in one JSON object",
        ),
        (
            "python -m pgmap.conform --era v6.15-sound FILE",
            "where would sound rules have acted differently?",
        ),
    )
    objects: tuple[type, ...] = (ConformObject,)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a comparison."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="recordings, or folders")
        parser.add_argument(
            "--era",
            help="whose rules (default: the kernel's own faithful era, or the newest before it)",
        )

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Compare each file, tell each outcome, end with the most serious one."""
        out.detail(f"pgmap {pgmap.__version__} conform", Verbosity.VERBOSE)
        codes: list[Exit] = []
        entries: list[dict[str, Any]] = []
        names = [name for path in args.files for name in expand(path)]
        for name in names:
            if signals.stopped_by is not None:
                break
            code, entry = one_file(name, args.era, out, core)
            codes.append(code)
            entries.append({"file": name, "exit": int(code), **entry})
        out.result(tally(codes, len(names)))
        ending = [] if signals.exit is None else [signals.exit]
        complete = len(codes) == len(names)
        return _cli.Outcome(worst([*codes, *ending]), {"files": entries, "complete": complete})


def expand(path: str) -> Iterator[str]:
    """Yield the recordings in a folder and below; everything else stands for itself."""
    if path != STDIN and Path(path).is_dir():
        inside = sorted(str(file) for file in Path(path).rglob("*.json"))
        if not inside:
            raise _cli.UsageError(f"{path}: no *.json in this folder or below")
        yield from inside
    else:
        yield path


def one_file(
    name: str, era: str | None, out: Output, core: _core_api.Core
) -> tuple[Exit, dict[str, Any]]:
    """Compare one recording and tell the outcome. A bad file does not stop the others."""
    try:
        result = core.conform(read(name), era)
    except Unreadable as error:
        return refuse(name, Exit.USAGE, error, error.reason, out)
    except errors.EraError:
        raise
    except (errors.PgmapError, ValueError) as error:
        return refuse(name, _cli.exit_of(error), error, str(error), out)
    code = outcome_of(result)
    tell(name, result, code, out)
    return code, dict(result)


def refuse(
    name: str, code: Exit, error: Exception, reason: str, out: Output
) -> tuple[Exit, dict[str, Any]]:
    """Tell that a file could not be compared."""
    word = "BAD FILE" if code is Exit.USAGE else code.name.replace("_", " ")
    out.result(f"{out.paint(f'{word:11}', Ink.BAD)} {name}: {reason}")
    return code, {"error": {"kind": type(error).__name__, "message": reason}}


def outcome_of(result: Conformance) -> Exit:
    """Unsupported words are said, not skipped; comparing nothing is not equality."""
    if result["difference"] is not None:
        return Exit.FOUND
    if result["unsupported"]:
        return Exit.UNSUPPORTED
    if result["compared"] == 0:
        return Exit.NOTHING_RAN
    return Exit.OK if result["equal"] else Exit.FOUND


def tell(name: str, result: Conformance, code: Exit, out: Output) -> None:
    """Print one line for the file, and what there is to explain below it."""
    word, ink = {
        Exit.OK: ("equal", Ink.GOOD),
        Exit.UNSUPPORTED: ("unsupported", Ink.WARN),
        Exit.NOTHING_RAN: ("nothing ran", Ink.BAD),
    }.get(code, ("DIFFERENT", Ink.BAD))
    line = (
        f"{out.paint(f'{word:11}', ink)} {name}: {result['scenario']}, "
        f"kernel {result['kernel']}, era {result['era']}, "
        f"{result['compared']} words compared in {result['steps']} steps"
    )
    if code is Exit.OK and not result["nearest"]:
        out.detail(line)
        return
    out.result(line)
    if result["nearest"]:
        era, kernel = result["era"], result["kernel"]
        out.result(f"  no era describes kernel {kernel}: {era} is the newest before it")
    for reason in result["unsupported"]:
        out.result(f"  not supported yet: {reason}")
    if result["difference"] is not None:
        for row in side_by_side(result["difference"], out):
            out.result(f"  {row}")


def side_by_side(difference: Difference, out: Output) -> Iterator[str]:
    """Yield the first difference as a table: what the kernel had, what the model has."""
    yield f"first difference at step {difference['step']}: {difference['op']}"
    for line in difference["context"]:
        yield f"  {out.paint(line, Ink.DIM)}"
    rows = [(r["what"], r["recorded"], r["model"]) for r in difference["rows"]]
    titles = ("", "recorded", "model")
    widths = [max(len(row[i]) for row in (titles, *rows)) for i in range(3)]
    yield "  ".join(title.ljust(width) for title, width in zip(titles, widths, strict=True))
    yield "  ".join("-" * width for width in widths)
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        if row[1] == row[2]:
            yield cells.rstrip()
        else:
            yield f"{out.paint(cells, Ink.BAD)}  <- differs"


def tally(codes: Sequence[Exit], asked: int) -> str:
    """The last line: how many of each."""
    words = {
        Exit.OK: "equal",
        Exit.FOUND: "different",
        Exit.UNSUPPORTED: "not supported yet",
        Exit.USAGE: "bad",
        Exit.NOTHING_RAN: "empty",
    }
    counts = [
        f"{codes.count(code)} {words.get(code, code.name.lower())}"
        for code in Exit
        if code in codes
    ]
    rest = asked - len(codes)
    if rest:
        counts.append(f"{rest} not reached")
    return f"Result: {', '.join(counts)} of {asked} recording{'s' if asked > 1 else ''}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Conform(), argv)


if __name__ == "__main__":
    sys.exit(main())
