"""Mistakes planted one at a time, to see which suite notices: ``make mutants``.

A list (``first.toml``, ``second.toml``) says for each mutant which text of which file becomes
which, and what mistake of real life that imitates. ``python -m mutants LIST...`` copies the tree,
puts the mutants of Rust code behind switches so that all are compiled at once, and runs the
suites nearest to each first, until one fails. A suite is run without any mutant before it judges
one; what fails then judges none, and what takes many times as long with a mutant hangs.
``--suite test_world_model.py`` asks one of pytest's alone: what does a model of the world see?

========== ==================================================================
lists      what is planted, and where exactly
switches   a function's body once for each of its mutants, chosen at run time
tree       the copy in which that happens, and its mutants that have no switch
suites     test programs and files, by distance from a mutant
verdicts   caught by whom, or survived
========== ==================================================================

A mutant whose text has gone was overtaken by a change of the code: it counts for nothing until the
list follows. Exit code 0 if nothing survived or moved, else 1; 2 for a list that makes no sense.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import children
from mutants import lists
from mutants.lists import BadList, Mutant
from mutants.suites import End, NotBuilt, Suite, Suites
from mutants.tree import BuildFailed, Tree
from mutants.verdicts import Fate, Score, Verdict

FOR_EVER = 1800.0
"""Seconds that no suite takes without a mutant."""
SLACK = 30.0
"""Seconds that any suite may take."""
TIMES = 15
"""A hang takes this many times as long as the suite without a mutant."""


class RunOver(Exception):
    """A verdict was asked for after the end of the run."""


@dataclass
class Jury:
    """The suites of a tree, each tried without a mutant before it judges."""

    tree: Tree
    suites: Suites
    seconds: dict[str, float]
    """By suite: of the last run without a mutant, this time or before."""
    tried: dict[str, Suite | None] = field(default_factory=dict)
    """What of a suite passes without a mutant, once that is known."""
    within: float = float("inf")
    """Suites that take longer are left out."""
    chosen: str = ""
    """The only suite that judges, of pytest's; "": all do."""
    over: bool = False
    """The run was ended: no suite is started any more."""
    _locks: dict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def judge(self, mutant: Mutant) -> Verdict:
        began = time.monotonic()
        number = self.tree.numbers.get(mutant, 0)
        try:
            if number == 0:
                verdict = self._alone(mutant)
            else:
                verdict = self._first_to_fail(mutant, number, self._near(mutant))
        except NotBuilt:
            verdict = Verdict(mutant, Fate.NOT_BUILT)
        took = time.monotonic() - began
        return Verdict(mutant, verdict.fate, verdict.suite, verdict.told, took)

    def _near(self, mutant: Mutant) -> list[Suite]:
        quick = {suite.name: self.seconds.get(suite.name, 0.0) for suite in self.suites.all}
        near = self.suites.near(mutant, quick)
        if self.chosen:
            near = [it for suite in near if (it := suite.part(self.chosen)) is not None]
            quick = dict.fromkeys((suite.name for suite in near), 0.0)
        return [suite for suite in near if quick[suite.name] <= self.within]

    def _first_to_fail(self, mutant: Mutant, number: int, suites: list[Suite]) -> Verdict:
        for suite in suites:
            if self.over:
                raise RunOver
            passing = self._passing(suite)
            if passing is None:
                continue
            limit = SLACK + TIMES * self.seconds[suite.name]
            ran = passing.run(self.tree, number, limit)
            if ran.end is not End.PASSED and suite.is_python:
                # Some of these wait for processes and threads: once may have been the machine.
                ran = passing.run(self.tree, number, limit)
            if ran.end is not End.PASSED:
                fate = Fate.CAUGHT if ran.end is End.FAILED else Fate.HUNG
                return Verdict(mutant, fate, suite.name, ran.told)
        return Verdict(mutant, Fate.SURVIVED)

    def hear(self, mutants: list[Mutant]) -> list[Suite]:
        """Try what is near some mutants, while no program is built with a mutant of its own."""
        near = [suite for mutant in mutants for suite in self._near(mutant)]
        return [suite for suite in near if self._passing(suite) is not None]

    def _alone(self, mutant: Mutant) -> Verdict:
        """Without a switch: planted by itself, package by package."""
        near = self.hear([mutant])
        self.tree.put_alone(mutant)
        try:
            if not mutant.is_rust:
                return self._first_to_fail(mutant, 0, near)
            for package in self.suites.packages_near(mutant):
                mine = [suite for suite in near if suite.package == package]
                if package == "pgmap-py":
                    self.suites.build_bindings()
                elif mine:
                    built = {suite.name: suite for suite in self.suites.built(package)}
                    mine = [built[suite.name] for suite in mine]
                verdict = self._first_to_fail(mutant, 0, mine)
                if verdict.fate is not Fate.SURVIVED:
                    return verdict
            return Verdict(mutant, Fate.SURVIVED)
        finally:
            self.tree.take_back(mutant)

    def _passing(self, suite: Suite) -> Suite | None:
        """The suite without its tests that fail without a mutant; none if nothing is left."""
        with self._locks[suite.name]:
            if suite.name not in self.tried:
                self.tried[suite.name] = self._try(suite)
            return self.tried[suite.name]

    def _try(self, suite: Suite) -> Suite | None:
        ran = suite.run(self.tree, 0, FOR_EVER)
        self.seconds[suite.name] = ran.seconds
        if ran.end is End.PASSED:
            return suite
        say(f"left out, {ran.end.value} without a mutant: {suite.name}: {ran.told}")
        if not ran.failed:
            return None
        rest = suite.without(ran.failed)
        return rest if rest.run(self.tree, 0, FOR_EVER).end is End.PASSED else None


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__.split("\n\n")[1])
    parser.add_argument("lists", nargs="+", type=Path, metavar="LIST")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="these alone")
    parser.add_argument("--suite", default="", metavar="FILE[::TEST]", help="pytest's, alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON")
    parser.add_argument("--within", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="mutants at a time")
    parser.add_argument("--check", action="store_true", help="look whether the lists fit, no more")
    return parser.parse_args()


def main() -> int:
    words = arguments()
    # A signal ends the run through every `finally` on the way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = Path(__file__).resolve().parents[2]
    try:
        mutants = [mutant for path in words.lists for mutant in lists.load(path)]
        mutants = [mutant for mutant in mutants if not words.only or mutant.id in words.only]
        moved = lists.moved(mutants, root)
        for sentence in moved.values():
            say(sentence)
        if words.check:
            return 2 if moved else 0
        here = [mutant for mutant in mutants if mutant not in moved]
        verdicts = [Verdict(mutant, Fate.MOVED) for mutant in moved]
        verdicts = [*judged(root, here, words.within, words.jobs, words.suite), *verdicts]
    except (BadList, BuildFailed) as error:
        say(str(error))
        return 2
    score = Score.of(verdicts)
    print("\n".join(verdict.line() for verdict in verdicts))
    print(f"Result: {score}")
    if words.json:
        told = {"score": vars(score), "mutants": [verdict.as_json() for verdict in verdicts]}
        words.json.write_text(json.dumps(told, indent=2) + "\n")
    fine = {Fate.CAUGHT, Fate.HUNG, Fate.EQUIVALENT}
    return int(any(verdict.fate not in fine for verdict in verdicts))


def judged(
    root: Path, mutants: list[Mutant], within: float, jobs: int, suite: str = ""
) -> list[Verdict]:
    tree = Tree.of(root, Path(sys.executable), mutants)
    say(f"building {tree.root} with {len(mutants)} mutants")
    suites = Suites.of(tree, tree.plant(mutants, tests=not suite))
    say(f"{len(tree.numbers)} behind switches, {len(tree.alone)} of Rust alone")
    times = root / "target" / "mutants" / "seconds.json"
    seconds = json.loads(times.read_text()) if times.exists() else {}
    jury = Jury(tree, suites, seconds, within=within, chosen=suite)
    verdicts = {it: Verdict(it, Fate.EQUIVALENT) for it in mutants if it.equivalent is not None}
    # What is built with a mutant takes the place of what was built with switches: those come last.
    alone = [mutant for mutant in mutants if mutant in tree.alone and mutant not in verdicts]
    rest = [mutant for mutant in mutants if mutant not in tree.alone and mutant not in verdicts]
    try:
        switched = [mutant for mutant in rest if mutant.is_rust]
        verdicts |= {it.mutant: it for it in at_once(jury, switched, jobs)}
        for mutant in rest:
            if mutant not in verdicts:
                verdicts[mutant] = told(jury.judge(mutant))
        jury.hear(alone)
        for mutant in alone:
            verdicts[mutant] = told(jury.judge(mutant))
    finally:
        # In one step: a run that is killed while it writes must not spoil the next one's start.
        fresh = times.with_suffix(".new")
        fresh.write_text(json.dumps(jury.seconds, indent=2))
        fresh.replace(times)
    return [verdicts[mutant] for mutant in mutants]


def at_once(jury: Jury, mutants: list[Mutant], jobs: int) -> list[Verdict]:
    """Judge several at a time; whatever ends the run ends the suites that are running."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(lambda mutant: told(jury.judge(mutant)), mutants))
        except BaseException:
            jury.over = True
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise


def told(verdict: Verdict) -> Verdict:
    """Say it as soon as it is known."""
    say(f"{verdict.line()}  ({verdict.seconds:.0f} s)")
    return verdict


if __name__ == "__main__":
    sys.exit(main())
