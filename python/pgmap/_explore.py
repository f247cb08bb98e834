"""The command ``python -m pgmap.explore``: search the schedules of a program, or hunt for one.

What it says is bounded by what was done: the table names every bound, the verdict what it holds
for. A program comes from a file, from the catalogue of wrong rules, or from nobody (``--hunt``).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace

from pgmap import _cli, _core_api, _glossary, _hunt, _language
from pgmap._announce import Announcer
from pgmap._args import (
    add_geometry,
    add_known,
    add_rules,
    add_strategy,
    add_threads,
    count,
    duration,
    show_count,
    show_seconds,
    show_seed,
)
from pgmap._cli import UsageError
from pgmap._core_explore import CoverageReport, ExploreProgress, ExploreReport
from pgmap._core_facts import KnownRule
from pgmap._drive import drive
from pgmap._exit import Exit, worst
from pgmap._input import read
from pgmap._objects import ExploreObject, HuntObject, LanguageObject
from pgmap._options import ExploreOptions, HuntOptions, SearchOptions
from pgmap._output import Ink, Output, Verbosity
from pgmap._progress import showing
from pgmap._race import wrong
from pgmap._signals import Signals
from pgmap._tell import (
    MEMORIES,
    diagram,
    ending,
    found_words,
    geometry,
    header,
    lock_orders,
    machine,
    memory,
    outcomes,
    shrinking,
    table,
    tell_known,
)
from pgmap._weak import not_on_x86, tell_silence
from pgmap._words import classes_words, counted, delays, unseen_words, within

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
            "python -m pgmap.explore --language",
            "every operation a program can have, its arguments and what it returns",
        ),
        (
            "python -m pgmap.explore --hunt 'mmap touch reference drop truncate' --era v6.15",
            "the shortest program of these words that the rules as shipped do not survive",
        ),
    )
    objects = (ExploreObject, HuntObject, LanguageObject)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a search."""
        parser.add_argument(
            "program", nargs="?", metavar="PROGRAM", help="a file, or - for standard input"
        )
        world = parser.add_argument_group("what runs")
        add_rules(world)
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
            if "strategy" in args or "seed" in args:
                raise UsageError(
                    "--hunt searches within bounds: it has no --strategy and no --seed"
                )
            outcome = _hunt.hunt(args, out, core, signals)
            tell_silence(out, core, args.breaks)
            return outcome
        if "ops" in args:
            raise UsageError("--ops is for --hunt; a program has the operations it has")
        said = ExploreOptions.of(args)
        strategy = said.strategy
        if "preemptions" in args and not said.has_bounds:
            raise UsageError(f"--strategy {strategy} draws schedules: --preemptions bounds nothing")
        source, program, needs, speculative = find_program(args, core)
        options = replace(
            said,
            memory=said.memory if "memory" in args else needs,
            speculative_tlb=said.speculative_tlb or speculative,
        )
        if needs not in (options.memory, ExploreOptions.memory):
            out.note(f"{source} needs --memory {needs}")
        asked = options.config(program=program)
        seed = show_seed(options.seed)
        out.facts.update(config={**asked, "seed": seed}, source=source)
        run = core.explore_start(asked)
        way = "" if strategy == "bounds" else f"  {strategy} seed={seed}"
        on = machine(options, said="memory" in args)
        out.detail(header("explore", args.era, args.breaks, f"{on}program: {source}{way}"))
        with showing(args.progress, out) as progress:
            report = drive(
                run,
                signals,
                progress,
                describe=describe,
                observe=Announcer(out, signals),
            )
        code = exit_of(report, signals)
        tell(out, report, signals)
        tell_silence(out, core, args.breaks)
        found = report["found"]
        token = None if found is None else found["token"]
        return _cli.Outcome(code, {**report, "token": token})


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


def find_program(args: argparse.Namespace, core: _core_api.Core) -> tuple[str, str, str, bool]:
    """Return where the program comes from, its text, and which memory and TLBs it needs."""
    if args.program is not None:
        return args.program, read(args.program), ExploreOptions.memory, False
    if not args.breaks:
        raise UsageError(TEACH)
    core.check_rules(args.era, args.breaks)
    catalogue = core.catalogue()
    entry = known_for(args.breaks, catalogue["known"])
    if entry is not None:
        ahead = entry["tlb"] == "speculative"
        return f"the one known for {wrong(entry)}", entry["program"], entry["needs"], ahead
    silent = not_on_x86(core, args.breaks)
    if len(silent) == 1:
        name = f"one that executes {wrong(silent[0])}"
        return name, silent[0]["program"], ExploreOptions.memory, False
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


def describe(glance: ExploreProgress) -> Sequence[str]:
    """Progress: one line that stands alone."""
    lead = f"{show_seconds(glance['seconds']):>7}"
    if glance["phase"] == "shrink":
        return (lead + shrinking(glance),)
    if glance["phase"] == "sample":
        return (
            f"{lead}  drawn  {show_count(glance['schedules'])} schedules  "
            f"{show_count(glance['classes'])} classes  {show_count(glance['points'])} points  "
            f"unseen ~{glance['unseen']:.1%}",
        )
    bound = "no bound" if glance["bound"] is None else f"bound {glance['bound']}"
    share = f"  ~{glance['fraction']:.0%}" if glance["fraction"] > 0 else ""
    return (
        f"{lead}  {bound}  {show_count(glance['schedules'])} schedules  "
        f"{show_count(glance['pruned'])} cut  {show_count(glance['points'])} points  "
        f"longest {glance['longest']}{share}",
    )


def exit_of(report: ExploreReport, signals: Signals) -> Exit:
    """How the search ends. What was found wins over an interruption."""
    codes = {
        "found": Exit.FOUND,
        "unseen": Exit.FOUND,
        "inconclusive": Exit.INCONCLUSIVE,
    }
    drawn = report["coverage"]
    within_bounds = any(bound["schedules"] + bound["pruned"] for bound in report["bounds"])
    if not within_bounds and (drawn is None or not drawn["executions"]):
        ran = Exit.NOTHING_RAN
    elif report["strangers"] and report["verdict"] != "found":
        ran = Exit.NOTHING_RAN  # it ran, and tested nothing
    else:
        ran = codes.get(report["verdict"], Exit.OK)
    if signals.exit is not None and not report["complete"]:
        return worst([ran, signals.exit])
    return ran


def tell(out: Output, report: ExploreReport, signals: Signals) -> None:
    """The table, the verdict, and what was found."""
    for line in table(report):
        out.detail(line)
    out.detail()
    found = report["found"]
    if found is None or out.verbosity is Verbosity.VERBOSE:
        lines = outcomes(report, everything=out.verbosity is Verbosity.VERBOSE)
        for line in lines:
            out.detail(line)
        if lines:
            out.detail()
    for warning in report["warnings"]:
        if warning == report["why"]:
            continue  # the result says it
        out.result(out.paint(f"warning: {warning}", Ink.WARN))
    for line in lock_orders(report):
        out.result(out.paint(line, Ink.WARN))
    if found is not None:
        out.result(diagram(out, found["text"]))
    out.result(result_line(out, report, signals))
    tell_known(out, report["known"], report["again"])
    if found is not None:
        ending(out, found)


def result_line(out: Output, report: ExploreReport, signals: Signals) -> str:
    """One honest sentence: the verdict, and what it holds for."""
    facts = f"{schedules_words(report)}, {show_seconds(report['search_seconds'])}"
    holds = f"On {memory(report['setting'])}; {geometry(report['setting'])}."
    partial = "" if signals.stopped_by is None else f" Interrupted by {signals.stopped_by.name}."
    refused = any(bound["refused"] for bound in report["bounds"])
    full = " The cache was full, so some schedules ran twice." if refused else ""
    match report["verdict"]:
        case "found":
            assert report["found"] is not None
            return f"Result: {found_words(out, report['found'])} ({facts}). {holds}{partial}"
        case "exhausted":
            late = delays(report["setting"]["memory"], report["setting"]["tlb"])
            bound = within(report["bound"], delays=late)
            words = out.paint(f"exhausted: nothing fails {bound}", Ink.GOOD)
            return (
                f"Result: {words} ({facts}).{beyond(report, partial)}{waits(report)}{full} {holds}"
            )
        case "unseen":
            late = delays(report["setting"]["memory"], report["setting"]["tlb"])
            bound = within(report["bound"], delays=late)
            words = out.paint(f"never so {bound}", Ink.BAD)
            never = "; ".join(report["unseen"])
            return f"Result: {words}: {never} ({facts}).{beyond(report, partial)}{full} {holds}"
        case "not-found":
            why = {
                "schedules": "the schedules it was allowed are used up",
                "time": "its time is up",
                "asked": "somebody stopped it",
            }.get(report["why"] or "", str(report["why"]))
            finished = [str(bound["bound"]) for bound in report["bounds"][:-1]]
            so_far = f"; exhausted so far: bound {', '.join(finished)}" if finished else ""
            if report["coverage"] is not None:
                so_far += f"; {seen_words(report['coverage'])}"
            words = out.paint("not found", Ink.WARN)
            return (
                f"Result: {words}, but not all was seen: {why} ({facts}{so_far}). "
                f"Not a proof.{waits(report)}{partial} {holds}"
            )
        case _:
            words = out.paint("inconclusive", Ink.BAD)
            return f"Result: {words}: {report['why']} ({facts}).{partial} {holds}"


def waits(report: ExploreReport) -> str:
    """How many schedules end in a wait of the program's own; a sentence, if any do."""
    if not report["waiting"]:
        return ""
    return (
        f" {counted(report['waiting'], 'schedule')} ended with everybody waiting for what the "
        "program never gives back."
    )


def schedules_words(report: ExploreReport) -> str:
    """How many schedules were run: searched, and drawn where that is not told apart."""
    words = []
    if report["bounds"]:
        schedules = sum(bound["schedules"] for bound in report["bounds"])
        pruned = sum(bound["pruned"] for bound in report["bounds"])
        words += [f"{counted(schedules, 'schedule')}, {pruned:,} cut as seen before"]
    drawn = report["coverage"]
    if drawn is not None and report["verdict"] not in ("exhausted", "unseen"):
        words += [f"{drawn['executions']:,} drawn by {report['strategy']}, seed {report['seed']}"]
    return ", ".join(words)


def seen_words(drawn: CoverageReport) -> str:
    """How much of the program's behaviour drawn schedules have shown."""
    unseen = unseen_words(drawn["unseen"], drawn["executions"])
    return f"{classes_words(drawn['classes'], exact=drawn['exact'])}, unseen share {unseen}"


def beyond(report: ExploreReport, partial: str) -> str:
    """What was drawn beyond an exhausted bound; a sentence of its own, for it proves nothing.

    ``partial`` says if somebody ended that; the bound stands all the same.
    """
    drawn = report["coverage"]
    if drawn is None:
        return ""
    if report["bound"] is None:
        return (
            f" All {drawn['executions']:,} that were drawn by {report['strategy']} (seed "
            f"{report['seed']}) are of one class, and there is no other."
        )
    return (
        f" Beyond the bound: {drawn['executions']:,} more schedules by {report['strategy']} "
        f"(seed {report['seed']}), {seen_words(drawn)}.{'' if report['complete'] else partial}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Explore(), argv)
