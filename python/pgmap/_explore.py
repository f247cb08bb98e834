"""The command ``python -m pgmap.explore``: search the schedules of a program, or hunt for one.

What it says is bounded by what was done: the table names every bound, the verdict what it holds
for. A program comes from a file, from the catalogue of wrong rules, or from nobody (``--hunt``).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pgmap import _between, _cli, _core_api, _glossary, _hunt, _language
from pgmap._announce import Announcer
from pgmap._args import (
    add_geometry,
    add_known,
    add_rules,
    add_strategy,
    add_threads,
    add_without,
    count,
    duration,
    show_seed,
)
from pgmap._cli import UsageError
from pgmap._core_facts import KnownRule
from pgmap._drive import shown
from pgmap._exit import Exit
from pgmap._explored import describe, exit_of, tell
from pgmap._input import read
from pgmap._objects import BetweenObject, ExploreObject, HuntObject, LanguageObject
from pgmap._options import ExploreOptions, HuntOptions, SearchOptions
from pgmap._output import Output
from pgmap._race import wrong
from pgmap._signals import Signals
from pgmap._tell import MEMORIES, header, machine
from pgmap._weak import not_on_x86, tell_silence

TEACH = (
    "nothing to explore: name a file with a program (or - for standard input), "
    "or --break RULE=VALUE for the program known for that rule, "
    "or --hunt WORDS for programs nobody wrote"
)
OF_ITS_OWN = "each of these rules has a program of its own: name a program's file"


class Explore:
    """The command."""

    name = "explore"
    summary = "search every interleaving of a small program, up to a bound of preemptions"
    about = (
        "Runs a program under a scheduler that decides at every shared step who goes on, and\n"
        "searches the schedules bound by bound: without a preemption, with one, with two. Beyond\n"
        "the last bound it draws some at random. What fails is shrunk, told as CPU0 beside CPU1,\n"
        "and given a token that runs it again.\n"
        "Without a program, --break RULE=VALUE explores the one known for that rule.\n\n"
        "A program may say what must come of its steps, a line each:\n"
        "  expect COND     holds at the end of every schedule\n"
        "  never COND      no schedule ends so\n"
        "  sometimes COND  some schedule does\n"
        "COND: STEP = RESULT, STEP != RESULT, joined by and, or, not and brackets. STEP: a label\n"
        "(a: w0 pin 0 0) or whose step it is, counted from 1 after start (w0.2, env.1).\n"
        "RESULT: ok, a value, an errno (EBUSY), SIGBUS, SIGSEGV, or waits: it never returned.\n\n"
        f"words of the output (pgmap.explain knows more):\n{_glossary.lines(_glossary.SEARCHED)}"
    )
    examples = (
        (
            "python -m pgmap.explore --break gup-pte-recheck=off",
            "the race that the second look at the PTE prevents, step by step",
        ),
        (
            "python -m pgmap.explore program.txt --preemptions 3",
            "is there any schedule with at most 3 preemptions that breaks my program?",
        ),
        (
            "python -m pgmap.explore program.txt --strategy pos --for 10m",
            "too large for bounds: draw schedules for ten minutes, and tell how much they showed",
        ),
        (
            "python -m pgmap.explore program.txt --between v6.12 v6.15",
            "the program ends otherwise under these eras: which rule is to blame?",
        ),
        (
            "python -m pgmap.explore --language",
            "every operation a program can have, its arguments and what it returns",
        ),
        (
            "python -m pgmap.explore --hunt 'mmap touch reference drop truncate' --era v6.15",
            "the shortest program of these words that the rules as shipped do not survive",
        ),
    )
    objects = (ExploreObject, HuntObject, BetweenObject, LanguageObject)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a search."""
        parser.add_argument(
            "program", nargs="?", metavar="PROGRAM", help="a file, or - for standard input"
        )
        world = parser.add_argument_group("what runs")
        add_rules(world)
        add_without(world)
        add_geometry(world)
        world.add_argument(
            "--memory",
            choices=tuple(MEMORIES),
            default=argparse.SUPPRESS,
            help="sc, sequentially consistent, or tso, as on x86: a store may be seen late, which "
            f"costs as a preemption does (default {SearchOptions.memory}, or what a known program "
            "needs)",
        )
        world.add_argument(
            "--speculative-tlb",
            action="store_true",
            help="CPUs may load translations ahead of any access, which costs as a preemption does",
        )
        world.add_argument(
            "--hunt",
            type=words,
            metavar="WORDS",
            help="explore all programs of these words, shortest first, and of many words some that "
            "are drawn, too; 'all' is every word",
        )
        world.add_argument(
            "--between",
            nargs=2,
            type=_between.Side.read,
            metavar="ERA",
            help="which of the rules in which two eras differ decide how the program ends; an ERA "
            "may have changes: v6.15-sound,zap-put=before-flush",
        )
        world.add_argument(
            "--language",
            action="store_true",
            help="explore nothing: print what a program can say",
        )
        world.add_argument(
            "--ops",
            type=count(1, 12),
            default=argparse.SUPPRESS,
            metavar="N",
            help=f"longest program of a hunt (default {HuntOptions.ops}); "
            "what is drawn may be longer",
        )
        add_known(world)
        way = parser.add_argument_group("how")
        add_strategy(way)
        add_threads(way)
        budget = parser.add_argument_group("budget (the first limit reached ends the search)")
        budget.add_argument(
            "--preemptions",
            type=preemptions,
            default=argparse.SUPPRESS,
            metavar="N",
            help="bounds 0 to N, or 'all': no bound, one schedule of each class, which may take "
            f"very long on TSO memory (default {ExploreOptions.preemptions}, "
            f"with --hunt {HuntOptions.preemptions})",
        )
        budget.add_argument(
            "--schedules",
            type=_cli.positive,
            default=argparse.SUPPRESS,
            metavar="N",
            help="executions in all, cut ones included; with --hunt for each program "
            f"(there {HuntOptions.schedules:,} if not given)",
        )
        budget.add_argument(
            "--programs",
            type=_cli.positive,
            default=argparse.SUPPRESS,
            metavar="N",
            help="programs of a hunt (default: all there are)",
        )
        budget.add_argument(
            "--for",
            dest="seconds",
            type=duration,
            default=argparse.SUPPRESS,
            metavar="TIME",
            help="how long, shrinking included: 30s, 5m, 1h30m",
        )
        budget.add_argument(
            "--max-steps",
            type=count(1, (1 << 32) - 1),
            default=argparse.SUPPRESS,
            metavar="N",
            help="points of one execution (default 100,000): one that goes on longer is cut there, "
            "and what was searched without its end proves nothing (exit code 6)",
        )
        budget.add_argument(
            "--no-shrink",
            dest="shrink",
            action="store_false",
            help="tell the first failure as it was found",
        )

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Search, then tell."""
        out.facts.update(build=dict(core.build_info()))
        if args.language:
            return tell_language(args, out, core)
        if args.hunt is not None:
            if args.program is not None:
                raise UsageError("--hunt looks for programs: give either a program or --hunt")
            if "strategy" in args:
                raise UsageError("--hunt searches within bounds: it has no --strategy")
            if args.between is not None:
                raise UsageError("--between is about one program: name its file, and no --hunt")
            outcome = _hunt.hunt(args, out, core, signals)
            tell_silence(out, core, args.breaks)
            return outcome
        if "ops" in args:
            raise UsageError("--ops is for --hunt; a program has the operations it has")
        if "programs" in args:
            raise UsageError("--programs is for --hunt; this is one program")
        said = ExploreOptions.of(args)
        strategy = said.strategy
        if "preemptions" in args and not said.has_bounds:
            raise UsageError(f"--strategy {strategy} draws schedules: --preemptions bounds nothing")
        source, program, needs = find_program(args, core)
        options = replace(
            said,
            memory=said.memory if "memory" in args else needs.memory,
            speculative_tlb=said.speculative_tlb or needs.speculative_tlb,
            geometry={**needs.sizes, **(said.geometry or {})},
        )
        if needs.memory not in (options.memory, ExploreOptions.memory):
            out.note(f"{source} needs --memory {needs.memory}")
        asked = options.config(program=program)
        seed = show_seed(options.seed)
        out.facts.update(config={**asked, "seed": seed}, source=source)
        if args.between is not None:
            return decide(args, options, source, program, out, core, signals)
        run = core.explore_start(asked)
        way = "" if strategy == "bounds" else f"  {strategy} seed={seed}"
        on = machine(options, said="memory" in args)
        left_out = "".join(f"without {step}  " for step in args.without)
        about = f"{left_out}{on}program: {source}{way}"
        out.detail(header("explore", args.era, args.breaks, about))
        report = shown(
            run, signals, args.progress, out, describe=describe, observe=Announcer(out, signals)
        )
        code = exit_of(report, signals)
        tell(out, report, signals)
        tell_silence(out, core, args.breaks)
        found = report["found"]
        token = None if found is None else found["token"]
        return _cli.Outcome(code, {**report, "token": token})


def decide(
    args: argparse.Namespace,
    options: ExploreOptions,
    source: str,
    program: str,
    out: Output,
    core: _core_api.Core,
    signals: Signals,
) -> _cli.Outcome:
    """Ask which rules decide between two eras."""
    if args.breaks or args.era != ExploreOptions.era:
        raise UsageError("--between names both eras, and what is changed of them: v6.12,RULE=VALUE")
    one, other = args.between
    out.facts["config"] |= {"era": None, "between": [one.name, other.name]}
    version = out.facts["build"]["version"]
    out.detail(f"pgmap {version} explore  between={one.name} {other.name}  program: {source}")
    options = options if "strategy" in args else replace(options, strategy="bounds")
    return _between.between((one, other), options, program, out, core, signals, args.progress)


def tell_language(args: argparse.Namespace, out: Output, core: _core_api.Core) -> _cli.Outcome:
    """Print what a program can say, which the core's table of operations knows."""
    if args.program is not None or args.hunt is not None:
        raise UsageError("--language explores nothing: leave out the program and --hunt")
    facts = core.facts()
    for line in _language.page(facts):
        out.result(line)
    language = {
        "operations": facts["operations"],
        "kinds": facts["kinds"],
        "returns": facts["returns"],
        "primitives": facts["primitives"],
        "lacking": facts["lacking"],
    }
    return _cli.Outcome(Exit.OK, {"language": language})


def words(text: str) -> list[str]:
    """Words of a hunt; ``all`` stands for every one."""
    found = re.split(r"[\s,]+", text.strip())
    if found == [""]:
        raise argparse.ArgumentTypeError("no words; such as 'mmap touch reference drop truncate'")
    return [] if found == ["all"] else found


def preemptions(text: str) -> int | None:
    """A bound; ``all`` is none."""
    try:
        return None if text == "all" else count(0, 64)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor 'all'") from None


class Needs(NamedTuple):
    """What a program shows nothing without."""

    memory: str = ExploreOptions.memory
    speculative_tlb: bool = False
    sizes: Mapping[str, int] = {}


def find_program(args: argparse.Namespace, core: _core_api.Core) -> tuple[str, str, Needs]:
    """Return where the program comes from, its text, and what it needs."""
    if args.program is not None:
        return args.program, read(args.program), Needs()
    if not args.breaks:
        raise UsageError(TEACH)
    core.check_rules(args.era, args.breaks)
    catalogue = core.catalogue()
    entry = known_for(args.breaks, catalogue["known"])
    if entry is not None:
        needs = Needs(entry["needs"], entry["tlb"] == "speculative", entry["sizes"])
        return f"the one known for {wrong(entry)}", entry["program"], needs
    silent = not_on_x86(core, args.breaks)
    if len(silent) == 1:
        name = f"one that executes {wrong(silent[0])}"
        return name, silent[0]["program"], Needs()
    if silent:
        raise UsageError(OF_ITS_OWN)
    for missing in catalogue["not_shown"]:
        if (missing["rule"], missing["value"]) in args.breaks:
            raise UsageError(f"no program shows {wrong(missing)} yet: {missing['why']}")
    asked = " ".join(f"{name}={value}" for name, value in args.breaks)
    names = ", ".join(wrong(entry) for entry in catalogue["known"])
    raise UsageError(f"no program is known for {asked}: name a file; known are {names}")


def known_for(asked: Sequence[tuple[str, str]], known: Sequence[KnownRule]) -> KnownRule | None:
    """The race with just these wrong rules, or the only one with one of them."""
    whole = [entry for entry in known if set(entry["wrong"]) == set(asked)]
    if whole:
        return whole[0]
    first: dict[tuple[str, str], KnownRule] = {}
    for entry in known:
        if len(entry["wrong"]) == 1:
            first.setdefault(entry["wrong"][0], entry)
    mine = [first[pair] for pair in asked if pair in first]
    if len(mine) > 1:
        raise UsageError(OF_ITS_OWN)
    return mine[0] if mine else None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Explore(), argv)
