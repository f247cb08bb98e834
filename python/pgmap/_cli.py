"""The frame that every command stands in: options, help, errors, the JSON object, the exit code.

A command says what it is (`Command`), runs, and returns an `Outcome`. Everything that must be the
same everywhere is here and only here: unknown options and bad values end in exit code 2 with one
line, exceptions map to exit codes, a bug in pgmap is 70 and says so, and with ``--json`` there is
exactly one object whatever happened, with at least ``schema command ok seconds``.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import pgmap
from pgmap import _core_api, errors
from pgmap._args import duration, integer, seed
from pgmap._exit import Exit, table, worst
from pgmap._output import Output, Verbosity, json_target
from pgmap._signals import Signals, listening


class UsageError(Exception):
    """A command line that makes no sense; the sentence says why."""


class Unsupported(Exception):
    """Something that this machine or this build cannot do; the sentence says what."""


class _Shown(Exception):
    """The parser had something to show (help, version) and is done."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it puts into its JSON object."""

    exit: Exit
    payload: Mapping[str, Any] = field(default_factory=dict)


class Command(Protocol):
    """One command of ``python -m pgmap``."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def summary(self) -> str:
        """What it is for, in half a line."""

    @property
    def about(self) -> str:
        """What it does, in a few lines."""

    @property
    def examples(self) -> Sequence[tuple[str, str]]:
        """Command lines, each with what it is good for."""

    @property
    def objects(self) -> Sequence[type]:
        """The shapes of what it puts into its JSON object."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that only this command has."""

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> Outcome:
        """Do it, and stop early with what there is when a signal says so."""


class _Once(argparse.Action):
    """Store a value; of two values for one option neither is what was asked for.

    What is meant to be repeated says so by an action of its own.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the value, if the option has none yet."""
        assert isinstance(parser, Parser)
        if option_string is not None and self.dest in parser.given:
            raise argparse.ArgumentError(self, "given twice, and it takes one value")
        parser.given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """An argument parser that neither prints nor exits by itself, and loses no value."""

    shown = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.given: set[str] = set()
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, from nothing given."""
        self.given.clear()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        self.shown += message or ""
        raise _Shown

    def _print_message(self, message: str, file: object = None) -> None:
        self.shown += message


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help whose lines break between words only: options and names have hyphens in them."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        words = " ".join(text.split())
        return textwrap.wrap(words, width, break_on_hyphens=False, break_long_words=False)


def build_parser(command: Command) -> Parser:
    examples = "\n".join(f"  {line}\n      {what}" for line, what in command.examples)
    parser = Parser(
        prog=f"python -m pgmap.{command.name}",
        description=command.about,
        epilog=f"examples:\n{examples}\n\nexit codes:\n{table()}",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    command.arguments(parser)
    group = parser.add_argument_group("output (results on stdout, progress on stderr)")
    group.add_argument(
        "--json", metavar="FILE", help="write one JSON object to FILE, or to stdout with '-'"
    )
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="only the result")
    loudness.add_argument("-v", "--verbose", action="store_true", help="more detail")
    group.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    group.add_argument(
        "--progress",
        choices=("auto", "plain", "none"),
        default="auto",
        help="auto: live on a terminal, one line every 10 s elsewhere",
    )
    group.add_argument("--version", action="version", version=f"pgmap {pgmap.__version__}")
    return parser


def add_budget(parser: argparse.ArgumentParser, default_for: str) -> None:
    """Add ``--seed --for --ops --out``, for the commands that search or measure."""
    group = parser.add_argument_group("budget (the first limit reached ends the run)")
    group.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help=f"how long: 30s, 5m, 1h30m (default {default_for}, or no limit with --ops)",
    )
    group.add_argument("--ops", type=positive, metavar="N", help="how many operations")
    group.add_argument(
        "--seed",
        type=seed,
        metavar="0x..",
        help="draw the operation lists from this seed (default: a fresh one, printed)",
    )
    group.add_argument(
        "--out", metavar="DIR", help="keep report.json and results.jsonl there as the run goes on"
    )


def positive(text: str) -> int:
    value = integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be at least 1")
    if value >= 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} must fit into 64 bits")
    return value


def run_command(
    command: Command, argv: Sequence[str] | None = None, core: _core_api.Core | None = None
) -> int:
    """Run `command` as a program would, and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    out = Output(json_target(words))
    with listening() as signals:  # to the very end: a late signal must not lose the results
        started = time.monotonic()
        outcome = _guarded(command, words, out, core, signals)
        envelope = {
            "schema": f"pgmap-{command.name}/1",
            "command": command.name,
            "pgmap": pgmap.__version__,
            "ok": outcome.exit is Exit.OK,
            "exit": int(outcome.exit),
            "seconds": round(time.monotonic() - started, 3),
        }
        try:
            out.emit({**out.facts, **outcome.payload, **envelope})
        except OSError as error:
            out.note(f"pgmap {command.name}: cannot write {out.json_to}: {error.strerror}")
            return int(worst([outcome.exit, Exit.USAGE]))
        return int(outcome.exit)


def _guarded(
    command: Command,
    words: list[str],
    out: Output,
    core: _core_api.Core | None,
    signals: Signals,
) -> Outcome:
    parser = build_parser(command)
    try:
        args = parser.parse_args(words)
        out.color = args.color
        if args.quiet:
            out.verbosity = Verbosity.QUIET
        elif args.verbose:
            out.verbosity = Verbosity.VERBOSE
        _open_json(out)
        return command.run(args, out, core or _core_api.core(), signals)
    except _Shown:
        if out.json_to != "-":
            out.result(parser.shown.rstrip("\n"))
        return Outcome(Exit.OK, {"text": parser.shown})
    except KeyboardInterrupt:
        return Outcome(Exit.INTERRUPTED)
    except BaseException as error:
        return explain(command.name, error, out)


def _open_json(out: Output) -> None:
    try:
        out.open_json()
    except OSError as error:
        path, out.json_to = out.json_to, None
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def exit_of(error: BaseException) -> Exit:
    """The exit code an exception stands for."""
    match error:
        case errors.UnsupportedProgram():
            return Exit.UNSUPPORTED
        case UsageError() | errors.ProgramError() | errors.RecordingError():
            return Exit.USAGE
        case errors.EraError() | errors.RuleError() | errors.RaceError():
            return Exit.USAGE
        case errors.InvalidArgument():
            return Exit.USAGE
        case errors.ScenarioError() | errors.TokenError():
            return Exit.USAGE
        case Unsupported() | errors.NotSupportedByKernel() | errors.NoMemory():
            return Exit.UNSUPPORTED
        case errors.Stuck() | errors.WorldPoisoned():
            return Exit.HANG
        case errors.ReplayImpossible():
            return Exit.REPLAY_IMPOSSIBLE
    return Exit.INTERNAL


def explain(name: str, error: BaseException, out: Output) -> Outcome:
    """Tell people about `error` in one line (a bug in pgmap in full), and say how it ends."""
    code = exit_of(error)
    message = str(error) or type(error).__name__
    if code is Exit.INTERNAL:
        out.note("".join(traceback.format_exception(error)).rstrip("\n"))
        out.note(f"pgmap {name}: internal error, please report it: {message}")
    else:
        out.note(f"pgmap {name}: {message}")
    if isinstance(error, UsageError):
        out.note(f"try: python -m pgmap.{name} --help")
    return Outcome(code, {"error": {"kind": type(error).__name__, "message": message}})
