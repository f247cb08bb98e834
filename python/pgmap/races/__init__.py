"""``python -m pgmap.races``: the races that pgmap knows, one file each.

The files lie beside this module, ``NAME.toml``; what is in one is told in
``rust/explore/src/catalogue/file.rs``, which reads them. ``--races DIR`` adds a folder of more.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pgmap
from pgmap import _cli, _core_api, _matrix, _trial
from pgmap._cli import UsageError
from pgmap._core_facts import KnownRule, NotOnX86, Race
from pgmap._exit import Exit
from pgmap._objects import RacesList, RacesMatrix, RacesRun
from pgmap._output import Output
from pgmap._plotted import check_path
from pgmap._race import add_races, every, find, full, line
from pgmap._signals import Signals
from pgmap._weak import sentence
from pgmap._words import counted


class Races:
    """The command."""

    name = "races"
    summary = "which races does pgmap know, how does one go, and does it still?"
    about = (
        "Lists the races of the catalogue, shows what one teaches with the program that shows it,\n"
        "or runs it: as wrong as it is known to be, and exhausted when the rules are right.\n"
        "The matrix has the program of each race under every era as it is.\n"
        "A race is called by its name, its number (B33) or its wrong rule (RULE=VALUE)."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.races list", "all of them, a line each"),
        ("python -m pgmap.races show B33", "one in full"),
        ("python -m pgmap.races run idle-pred zap-put", "two of them, tried"),
        ("python -m pgmap.races matrix zap-put B33", "which eras have these two?"),
        ("python -m pgmap.races matrix --plot matrix.svg", "all of them, as a picture"),
        ("python -m pgmap.races run mine --races my/races", "one of a folder of your own"),
    )
    objects: tuple[type, ...] = (RacesList, RacesRun, RacesMatrix)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what is wanted, and of which."""
        parser.add_argument(
            "action",
            nargs="?",
            choices=("list", "show", "run", "matrix"),
            default="list",
            help="what to do (default list)",
        )
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="which (run and matrix: all if none)"
        )
        add_races(parser)
        parser.add_argument(
            "--page", action="store_true", help="matrix: print a page of Markdown instead of lines"
        )
        parser.add_argument(
            "--plot", metavar="FILE", help="matrix: a picture, too, .svg or .png (extra: plot)"
        )
        _trial.add_options(parser)

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """List, show or run them."""
        catalogue = core.catalogue(args.races)
        races = every(catalogue)
        named = [race for name in args.names for race in find(races, name)]
        if args.page and args.action != "matrix":
            raise UsageError("--page is for the matrix: python -m pgmap.races matrix --page")
        if args.plot is not None:
            if args.action != "matrix":
                raise UsageError("--plot is for the matrix: python -m pgmap.races matrix --plot F")
            check_path(args.plot)
        if args.action in ("run", "matrix"):
            chosen = runnable(named, catalogue["known"], catalogue["not_on_x86"])
            out.facts.update(chosen=[race["name"] for race in chosen])
        if args.action == "matrix":
            eras = [era["name"] for era in core.facts()["eras"]]
            return _matrix.run(
                chosen,
                eras,
                args.preemptions,
                out,
                core,
                signals,
                progress=args.progress,
                page=args.page,
                picture=args.plot,
            )
        if args.action == "run":
            out.detail(
                f"pgmap {pgmap.__version__} races  {counted(len(chosen), 'race')}, "
                f"{counted(args.replays, 'replay')} each, right rules to bound {args.preemptions}"
            )
            return _trial.run(chosen, args, out, core, signals)
        if args.action == "show" and not named:
            raise UsageError("show which? python -m pgmap.races list names them")
        told = named or races
        sentences = {it["id"]: it["sentence"] for it in core.facts()["invariants"]}
        for at, race in enumerate(told):
            if args.action == "list":
                out.result(line(race))
                continue
            if at > 0:
                out.result()
            for text in full(race, sentences):
                out.result(text)
        return _cli.Outcome(Exit.OK, {"races": told})


def runnable(
    named: Sequence[Race],
    known: Sequence[KnownRule],
    weak: Sequence[NotOnX86],
) -> list[KnownRule]:
    """Those with a program that shows them; who asks for another is told what does."""
    chosen = []
    for race in named:
        mine = [entry for entry in known if entry["name"] == race["name"]]
        if not mine:
            silent = [entry for entry in weak if entry["name"] == race["name"]]
            raise UsageError(
                sentence(silent[0]) if silent else f"no program shows {race['name']} yet"
            )
        chosen += mine
    return chosen or list(known)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Races(), argv)
