"""``python -m pgmap.selftest``: every wrong rule is found, every right one is exhausted.

Every race of the catalogue is tried (`_trial` says how); ``python -m pgmap.races`` lists, shows and
runs them one by one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import pgmap
from pgmap import _cli, _core_api, _trial
from pgmap._args import rule
from pgmap._cli import UsageError
from pgmap._core_facts import KnownRule
from pgmap._exit import Exit
from pgmap._objects import SelftestList, SelftestObject
from pgmap._options import ExploreOptions
from pgmap._output import Output
from pgmap._race import add_races, wrong
from pgmap._signals import Signals
from pgmap._weak import not_on_x86, sentence, where
from pgmap._words import counted


class Selftest:
    """The command."""

    name = "selftest"
    summary = "every wrong rule is found and replayed, every right one exhausted"
    about = (
        "For each wrong rule in the catalogue: its program fails as it is known to, with the\n"
        "fewest preemptions known, is shrunk, and its token fails again every time; under the\n"
        "right rules the same program is exhausted. A rule that is wrong only on weaker memory is\n"
        "silent where memory is sequentially consistent. If not, pgmap itself is wrong."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.selftest", "all of it"),
        ("python -m pgmap.selftest --list", "the wrong rules, and what each breaks"),
        ("python -m pgmap.selftest zap-put=before-flush", "one of them"),
    )
    objects: tuple[type, ...] = (SelftestList, SelftestObject)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a self-test."""
        parser.add_argument(
            "rules", nargs="*", type=rule, metavar="RULE=VALUE", help="only these wrong rules"
        )
        parser.add_argument("--list", action="store_true", help="name the wrong rules and end")
        add_races(parser)
        _trial.add_options(parser)

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Go through the catalogue."""
        catalogue = core.catalogue(args.races)
        if elsewhere := not_on_x86(core, args.rules):
            raise UsageError(sentence(elsewhere[0]))
        chosen = choose(catalogue["known"], args.rules)
        facts: dict[str, Any] = {
            "wrong_rules": [wrong(entry) for entry in chosen],
            "not_on_x86": catalogue["not_on_x86"],
            "not_shown": catalogue["not_shown"],
        }
        if args.list:
            for entry in chosen:
                on = "" if entry["needs"] == ExploreOptions.memory else f"on {entry['needs']}: "
                broken = entry["invariant"] or "nothing"
                out.result(f"{wrong(entry):34} {broken:10} {on}{entry['note']}")
            for silent in catalogue["not_on_x86"]:
                told = f"{silent['note']}; loom: {where(silent)}"
                out.result(f"{wrong(silent):34} {'not on x86':10} {told}")
            for missing in catalogue["not_shown"]:
                out.result(f"{wrong(missing):34} {'not shown':10} {missing['why']}")
            return _cli.Outcome(Exit.OK, facts)
        out.facts.update(facts, build=dict(core.build_info()))
        out.detail(
            f"pgmap {pgmap.__version__} selftest  {counted(len(chosen), 'wrong rule')}, "
            f"{counted(args.replays, 'replay')} each, right rules to bound {args.preemptions}"
        )
        return _trial.run(chosen, args, out, core, signals)


def choose(known: Sequence[KnownRule], asked: Sequence[tuple[str, str]]) -> list[KnownRule]:
    """Those that were asked for; all, if none were."""
    for pair in asked:
        if all(pair not in entry["wrong"] for entry in known):
            listed = ", ".join(wrong(entry) for entry in known)
            raise UsageError(f"no wrong rule is {'='.join(pair)}; there are {listed}")
    return [entry for entry in known if not asked or any(pair in asked for pair in entry["wrong"])]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Selftest(), argv)


if __name__ == "__main__":
    sys.exit(main())
