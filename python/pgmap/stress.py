"""``python -m pgmap.stress``: real threads on one emulated machine, every page's life checked.

The command draws a seed, hands the core a configuration, watches, and tells what was found
(`_stressed`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict

from pgmap import _cli, _core_api
from pgmap._args import THREADS_MAX, add_known, add_rules, count, duration, show_seed
from pgmap._cli import UsageError
from pgmap._core_explore import ReproduceReport
from pgmap._core_reports import StressProgress, StressReport
from pgmap._drive import Records, drive
from pgmap._exit import Exit
from pgmap._objects import StressObject
from pgmap._options import SearchOptions
from pgmap._output import Output
from pgmap._progress import showing
from pgmap._race import is_called
from pgmap._reproduce import reproduce, tell_unmet
from pgmap._signals import Signals
from pgmap._stress_config import DEFAULT_MIX, FRACTURE_MIX, Config
from pgmap._stressed import Announcer, describe, header, summarise, verdict
from pgmap._weak import tell_silence

DEFAULT_WATCHDOG = 10.0
DEFAULT_EXPLAIN = 10.0


class Stress:
    """The command."""

    name = "stress"
    summary = "hammer an emulated fsdax file with real threads, each page's life checked"
    about = (
        "Real threads pin, unpin, fault, unmap, truncate, punch, write, unlink and unbind on one\n"
        "emulated machine under the lifetime rules of a kernel (--era), with one of them broken\n"
        "if you like (--break). Owner and generation of every page are checked at each access;\n"
        "at join points every count must be exactly what the holders add up to."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("python -m pgmap.stress", "ten seconds under sound rules; clean unless pgmap is wrong"),
        (
            "python -m pgmap.stress --break gup-pte-recheck=off --for 30s",
            "what goes wrong when gup_fast does not look at the PTE again",
        ),
        (
            "python -m pgmap.stress --era v6.15 --for 5m --json - --progress none",
            "the rules as shipped, known races reported as known, machine-readable",
        ),
    )
    objects: tuple[type, ...] = (StressObject,)

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of a stress run."""
        world = parser.add_argument_group("what runs")
        add_rules(world)
        add_known(world)
        world.add_argument(
            "--race",
            metavar="NAME",
            help="the wrong rules of a race of the catalogue (python -m pgmap.races list), and the "
            "mix that has its operations",
        )
        world.add_argument(
            "--threads", type=count(1, THREADS_MAX), default=4, metavar="N", help="default 4"
        )
        world.add_argument(
            "--mix",
            default=DEFAULT_MIX,
            metavar="NAME",
            help="which operations, how often: default, gup, files or fracture",
        )
        world.add_argument(
            "--pages", type=count(1, 1 << 28), metavar="N", help="pages of the emulated device"
        )
        world.add_argument(
            "--watchdog",
            type=duration,
            default=DEFAULT_WATCHDOG,
            metavar="TIME",
            help="CPU time after which a call that does not end is given up: no verdict "
            "(default 10s)",
        )
        failures = world.add_mutually_exclusive_group()
        failures.add_argument(
            "--max-failures", type=_cli.positive, default=1, metavar="N", help="default 1"
        )
        failures.add_argument(
            "--keep-going", action="store_true", help="do not stop at violations at all"
        )
        explaining = world.add_mutually_exclusive_group()
        explaining.add_argument(
            "--explain",
            type=duration,
            default=DEFAULT_EXPLAIN,
            metavar="TIME",
            help="how long the explorer may look for what was found, to tell it (default 10s)",
        )
        explaining.add_argument(
            "--no-explain", action="store_true", help="leave what was found untold"
        )
        _cli.add_budget(parser, "10s")

    def run(
        self, args: argparse.Namespace, out: Output, core: _core_api.Core, signals: Signals
    ) -> _cli.Outcome:
        """Start, watch, report."""
        if args.race is not None:
            args = of_race(args, core)
        config = Config.of(args)
        out.facts.update(
            config={**asdict(config), "seed": show_seed(config.seed)}, build=dict(core.build_info())
        )
        records = Records(args.out, out.note)
        run = core.stress_start(asdict(config))
        out.detail(header(config))
        announcer = Announcer(out, known=args.known)
        with showing(args.progress, out) as progress:

            def observe(glance: StressProgress) -> None:
                fresh = announcer.take_new(glance["violations"])
                if fresh:
                    with progress.aside():
                        announcer.tell(fresh)
                    for violation in fresh:
                        records.write("violation", violation)
                records.offer(glance)

            records.write("start", out.facts)
            report = drive(
                run,
                signals,
                progress,
                describe=describe,
                observe=observe,
            )
        for violation in announcer.take_new(report["violations"]):
            announcer.tell([violation])
            records.write("violation", violation)
        code = verdict(report, signals, known=args.known)
        summarise(out, config, report, code, signals, known=args.known)
        tell_silence(out, core, config.breaks)
        if code is Exit.OK:
            tell_unmet(out, core, config.breaks)
        out.facts.update(report)  # whatever becomes of the explanation
        told = {**report, "reproduced": explain(args, config, report, out, core, signals)}
        records.close({**out.facts, **told, "exit": int(code)})
        return _cli.Outcome(code, told)


def of_race(args: argparse.Namespace, core: _core_api.Core) -> argparse.Namespace:
    """What is asked for, with a race's wrong rules, and every known race a finding."""
    if args.breaks or args.era != SearchOptions.era:
        raise UsageError("--race has rules of its own: leave --era and --break out")
    known = [race for race in core.catalogue()["known"] if is_called(race, args.race)]
    if not known:
        raise UsageError(
            f"no race that a program shows is called {args.race!r}; python -m pgmap.races list "
            "names them"
        )
    if len(known) > 1:
        names = ", ".join(race["name"] for race in known)
        raise UsageError(f"{args.race} is more than one race: name one of {names}")
    (entry,) = known
    private = " anon" in entry["program"] and args.mix == DEFAULT_MIX
    changed = {
        "era": entry["era"],
        "breaks": list(entry["wrong"]),
        "known": True,
        "mix": FRACTURE_MIX if private else args.mix,
    }
    return argparse.Namespace(**{**vars(args), **changed})


def explain(
    args: argparse.Namespace,
    config: Config,
    report: StressReport,
    out: Output,
    core: _core_api.Core,
    signals: Signals,
) -> ReproduceReport | None:
    """Have the explorer find again what was seen, unless nobody waits for that."""
    if args.no_explain or signals.stopped_by is not None:
        return None
    return reproduce(report, config.breaks, args.explain, args.progress, out, core, signals)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return _cli.run_command(Stress(), argv)


if __name__ == "__main__":
    sys.exit(main())
