"""The command ``python -m pgmap.replay``: a found execution again, step by step if wanted.

Under its own rules an execution must do exactly what its token says, or the replay says at which
step it does not and decides nothing. Under other rules a difference is what one asks for.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pgmap
from pgmap import _cli, _core_api
from pgmap._args import add_breaks, add_known
from pgmap._cli import UsageError
from pgmap._core_explore import Replayed, TracedStep
from pgmap._exit import Exit, worst
from pgmap._input import STDIN, read
from pgmap._objects import ReplayObject
from pgmap._output import Ink, Output
from pgmap._signals import Signals
from pgmap._tell import diagram, ending, known_words

TOKEN = re.compile(r"pgm\d+:[A-Za-z0-9_-]+", re.ASCII)
# Long commands are broken like this in reports, and mails put marks before each line.
CONTINUED = re.compile(r"\\\r?\n[>|# \t]*", re.ASCII)


class Replay:
    """The command."""

    name = "replay"
    summary = "run a found execution again: does it still fail, and under other rules?"
    about = (
        "Runs the execution that a token stands for, twice, and says whether it fails as it did.\n"
        "FILE is anything with the token in it: a report, a mail, the JSON of pgmap.explore.\n"
        "With --era or --break the same schedule meets other rules."
    )
    examples = (
        ("python -m pgmap.replay pgm3:...", "does it still fail? 1 yes, 0 no, 125 cannot tell"),
        ("python -m pgmap.replay report.txt --step", "every step of it"),
        (
            "python -m pgmap.replay found.json --era v6.15-sound",
            "do the sound rules survive the same schedule?",
        ),
    )
    objects = (ReplayObject,)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a replay."""
        parser.add_argument(
            "token", metavar="TOKEN|FILE", help="a token, or a file with one in it, or -"
        )
        parser.add_argument(
            "--step",
            action="store_true",
            help="every step: number, CPU, function, operation, object, before -> after",
        )
        add_known(parser.add_argument_group("what counts"))
        rules = parser.add_argument_group("under other rules")
        rules.add_argument("--era", metavar="OTHER", help="whose rules")
        add_breaks(rules)

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Run it again, and tell."""
        token = find_token(args.token)
        out.facts.update(token=token, build=dict(core.build_info()))
        told = core.replay(
            token,
            args.era,
            args.breaks,
            args.step,
            stopped=lambda: signals.stopped_by is not None,
        )
        setting = told["setting"]
        broken = "".join(f"  {assignment}" for assignment in setting["broken"])
        out.detail(
            f"pgmap {pgmap.__version__} replay  era={setting['era']}{broken}  "
            f"{told['events']} events"
        )
        for line in walk(told["steps"] or ()):
            out.result(line)
        code = exit_of(told, known=args.known)
        found = told["found"]
        if found is not None:
            out.detail(diagram(out, found["text"]))
        out.result(result_line(out, told))
        if found is not None and not told["own_rules"]:
            ending(out, found)
        codes = [code] if signals.exit is None else [code, signals.exit]
        return _cli.Outcome(worst(codes), dict(told))


def find_token(text: str) -> str:
    """The token itself, or the only one in a file."""
    if re.match(r"\s*pgm\w*:", text, re.ASCII):
        return text
    if text != STDIN and not Path(text).exists():
        raise UsageError(f"{text[:80]!r} is neither a token (pgm3:...) nor a file")
    found = list(dict.fromkeys(tokens(read(text))))
    if not found:
        raise UsageError(f"{text}: no token (pgm3:...) in this file")
    if len(found) > 1:
        raise UsageError(f"{text}: {len(found)} different tokens in this file; pass one of them")
    return str(found[0])


def tokens(text: str) -> Iterator[str]:
    """The tokens in a text; in JSON, those in its strings."""
    with suppress(ValueError):  # no JSON
        for part in strings(json.loads(text)):
            yield from TOKEN.findall(CONTINUED.sub("", part))
        return
    yield from TOKEN.findall(CONTINUED.sub("", text))


def strings(value: object) -> Iterator[str]:
    """All strings of a JSON value."""
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from strings(item)
        case dict():
            for item in value.values():
                yield from strings(item)


def exit_of(told: Replayed, *, known: bool) -> Exit:
    """1 reproduced, 0 not, 125 cannot; failing in another way is not survival.

    A race that the era is known to have is a finding only if ``known`` says so.
    """
    if told["outcome"] == "cannot":
        return Exit.REPLAY_IMPOSSIBLE
    found = told["found"]
    if found is None or (found["finding"]["known"] is not None and not known):
        return Exit.OK
    return Exit.FOUND


def result_line(out: Output, told: Replayed) -> str:
    """One honest sentence."""
    left = "" if told["left_at"] is None else f" (left the schedule at step {told['left_at']})"
    match told["outcome"]:
        case "stopped":
            return f"Result: {out.paint('not seen to its end', Ink.WARN)}: {told['why']}"
        case "cannot":
            return f"Result: {out.paint('cannot be replayed', Ink.BAD)}: {told['why']}"
        case "reproduced":
            assert told["found"] is not None
            finding = told["found"]["finding"]
            words = out.paint("reproduced", Ink.BAD)
            said = f"{finding['invariant']} {finding['title']}{known_words(finding)}"
            return f"Result: {words}: {said}{left}"
        case _ if told["found"] is not None:
            finding = told["found"]["finding"]
            words = out.paint("not reproduced, but it fails in another way", Ink.BAD)
            said = f"{finding['invariant']} {finding['title']}{known_words(finding)}"
            return f"Result: {words}: {said}{left}"
        case _:
            words = out.paint("not reproduced", Ink.GOOD)
            return f"Result: {words}: nothing fails in this one execution{left}"


def walk(steps: Sequence[TracedStep]) -> Iterator[str]:
    """One line for each entry of an execution."""
    for step in steps:
        place = f"{step['n']:>5}  CPU{step['cpu']}  "
        match step["kind"]:
            case "call":
                yield f"{place}{step['who']} {step['operation']}"
            case "return":
                yield f"{place}{step['who']} {step['operation']}: returns {step['after']}"
            case "switch":
                yield f"{place}-- {step['operation']} goes on"
            case "waits":
                yield f"{place}  waits for {step['operation']}"
            case _:
                words = [step["function"], step["operation"], step["object"]]
                yield (place + "  " + "  ".join(filter(None, words)) + change(step)).rstrip()


def change(step: TracedStep) -> str:
    if step["before"] is None:
        return ""
    if step["before"] == step["after"]:
        return f"  {step['before']}"
    return f"  {step['before']} -> {step['after']}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Replay(), argv)
