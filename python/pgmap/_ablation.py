"""What breaks without a step of the protocol: the searches behind ``python -m pgmap.ablate``.

A step can only be missed by a program that takes it, so each program is run a few hundred times
first to see which steps it meets. Then the bounds are searched over all programs of a step, the
lowest first: what is found has the fewest preemptions. What no program misses is hunted for.

Complaints about how a primitive is used are not made while a step is left out (``edits.rs``), and a
panic of pgmap itself is no broken invariant either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pgmap import _core_api
from pgmap._ablation_files import FILES
from pgmap._ablation_memory import MEMORY
from pgmap._ablation_programs import PROGRAMS, RULES
from pgmap._ablation_threads import THREADS
from pgmap._cli import UsageError
from pgmap._core_explore import ExploreReport, FoundReport, HuntReport
from pgmap._core_facts import ProtocolSteps, StepFact
from pgmap._drive import drive
from pgmap._objects import AblatedStep
from pgmap._options import ExploreOptions, HuntOptions
from pgmap._progress import Progress
from pgmap._signals import Signals
from pgmap._words import counted
from pgmap.errors import PgmapError

MEETING = 300
"""Executions of a program that show which steps it meets."""
IN_FULL = 12
"""So many programs of a step get all executions that were asked for; more of them share as many."""
LONGEST = 5_000
"""Points of one execution: without a wait a loop may go round for ever. What is cut is counted."""


@dataclass(frozen=True)
class Source:
    """A program, and the memory that it needs."""

    name: str
    program: str
    memory: str = ExploreOptions.memory
    speculative_tlb: bool = False
    rules: tuple[tuple[str, str], ...] = ()
    """What differs from the era's: another file system."""


@dataclass(frozen=True)
class Effort:
    """Whose protocol, and how much each step is searched for."""

    era: str
    preemptions: int
    schedules: int
    hunt: float
    threads: int | None

    def same(self, config: Mapping[str, Any]) -> bool:
        """Whether rows of such a search are rows of this one."""
        return config == self.config()

    def config(self) -> dict[str, Any]:
        """All that rows depend on."""
        return {
            "era": self.era,
            "preemptions": self.preemptions,
            "schedules": self.schedules,
            "hunt": self.hunt,
            "longest": LONGEST,
            "in_full": IN_FULL,
        }


def sources(core: _core_api.Core) -> list[Source]:
    """The programs of the catalogue, and those that take what these do not."""
    found = [
        Source(entry["name"], entry["program"], entry["needs"], entry["tlb"] == "speculative")
        for entry in core.catalogue()["known"]
    ]
    found += [
        Source(name, text, rules=tuple(RULES.get(name, {}).items()))
        for name, text in (PROGRAMS | THREADS | MEMORY | FILES).items()
    ]
    # One program may show several mistakes.
    unlike = {(it.program, it.memory, it.speculative_tlb, it.rules): it for it in found}
    return list(unlike.values())


@dataclass
class Ablation:
    """The searches, with what they need."""

    core: _core_api.Core
    effort: Effort
    signals: Signals
    progress: Progress

    def meetings(self, programs: Sequence[Source]) -> dict[str, list[Source]]:
        """Which programs meet a step."""
        met: dict[str, list[Source]] = {}
        for n, source in enumerate(programs):
            if self.signals.stopped_by is not None:
                break
            self.progress.update([f"{n} of {len(programs)} programs: {source.name}"])
            asked = self.options(source, preemptions=1, schedules=MEETING)
            with suppress(PgmapError):  # this era cannot run it
                for step in self.core.steps_met(asked.config(program=source.program)):
                    met.setdefault(step, []).append(source)
        return met

    def options(self, source: Source, **more: Any) -> ExploreOptions:
        """How a program is searched."""
        return ExploreOptions(
            **{
                "era": self.effort.era,
                "memory": source.memory,
                "speculative_tlb": source.speculative_tlb,
                "rules": dict(source.rules),
                "strategy": "bounds",
                "shrink": False,
                "max_steps": LONGEST,
                "threads": self.effort.threads,
                **more,
            }
        )

    def step(self, fact: StepFact, programs: Sequence[Source]) -> AblatedStep | None:
        """Search for what breaks without a step; None if somebody stopped it."""
        row = AblatedStep(
            step=fact["name"],
            kind=fact["kind"],
            function=fact["function"],
            place=fact["place"],
            outcome="nothing" if programs else "never run",
            invariant=None,
            title=None,
            preemptions=None,
            source=None,
            token=None,
            why=None,
            programs=len(programs),
            schedules=0,
            too_long=0,
            seconds=0.0,
        )
        for bound in range(self.effort.preemptions + 1):
            for source in programs:
                if self.signals.stopped_by is not None:
                    return None
                if self.searched(row, source, bound, self.share(len(programs))):
                    return row
        if self.effort.hunt > 0 and row["outcome"] == "nothing":
            self.hunt(row)
        return None if self.signals.stopped_by is not None else row

    def share(self, programs: int) -> int:
        """How many executions each of so many programs gets at a bound."""
        return max(1, min(self.effort.schedules, self.effort.schedules * IN_FULL // programs))

    def searched(self, row: AblatedStep, source: Source, bound: int, schedules: int) -> bool:
        """Whether a program breaks with so many preemptions."""
        asked = self.options(source, preemptions=bound, schedules=schedules, without=[row["step"]])
        about = f"{row['step']}: {source.name}, bound {bound}"
        try:
            run = self.core.explore_start(asked.config(program=source.program))
            report: ExploreReport = drive(
                run, self.signals, self.progress, describe=lambda _: [about]
            )
        except PgmapError as error:
            if row["outcome"] in ("nothing", "never run"):
                row["outcome"], row["source"], row["why"] = "no set-up", source.name, str(error)
            return False
        row["schedules"] += sum(it["schedules"] + it["pruned"] for it in report["bounds"])
        row["too_long"] += sum(it["too_long"] for it in report["bounds"])
        row["seconds"] += report["search_seconds"]
        return report["found"] is not None and tell(row, report["found"], source.name)

    def hunt(self, row: AblatedStep) -> None:
        """Look for a program that nobody wrote."""
        asked = HuntOptions(
            era=self.effort.era,
            without=[row["step"]],
            seconds=self.effort.hunt,
            max_steps=LONGEST,
            shrink=False,
            threads=self.effort.threads,
        )
        about = f"{row['step']}: hunting"
        run = self.core.hunt_start(asked.config())
        report: HuntReport = drive(run, self.signals, self.progress, describe=lambda _: [about])
        row["schedules"] += report["schedules"]
        row["too_long"] += report["too_long"]
        row["seconds"] += report["seconds"]
        if report["found"] is not None:
            tell(row, report["found"], "hunted")


def tell(row: AblatedStep, found: FoundReport, source: str) -> bool:
    """Write down what was found; whether it is a broken invariant."""
    finding = found["finding"]
    if finding["sort"] == "panic":
        row["outcome"], row["source"], row["why"] = "panic", source, finding["detail"]
        return False
    row["outcome"], row["source"], row["why"] = "broken", source, None
    row["invariant"], row["title"] = finding["invariant"], finding["title"]
    row["preemptions"], row["token"] = found["preemptions"], found["token"]
    return True


def searched(row: AblatedStep) -> str:
    """How much was searched for a row, and what of it was given up."""
    told = f"{counted(row['programs'], 'program')}, {counted(row['schedules'], 'schedule')}"
    cut = f", {row['too_long']:,} of them cut at {LONGEST:,} points" if row["too_long"] else ""
    return told + cut


def untried_of(rows: Sequence[AblatedStep], protocol: ProtocolSteps) -> list[str]:
    """The steps that have no row, by name: nothing is hidden."""
    tried = {row["step"] for row in rows}
    return [fact["name"] for fact in protocol["steps"] if fact["name"] not in tried]


class Kept:
    """The file of ``--resume``: rows that were searched before, and each new one as it comes."""

    def __init__(self, path: str | None, effort: Effort, build: Mapping[str, object]) -> None:
        self.rows: dict[str, AblatedStep] = {}
        self.path = None if path is None else Path(path)
        head = {"ablation": effort.config(), "build": dict(build)}
        if self.path is None:
            return
        try:
            if not self.path.exists():
                self.path.write_text(json.dumps(head) + "\n", encoding="utf-8")
                return
            lines = list(self.read())
            # What was cut short is gone, or the next row would follow it on its line.
            self.path.write_text("".join(f"{json.dumps(it)}\n" for it in lines), encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from error
        if not lines or not effort.same(lines[0].get("ablation", {})):
            raise UsageError(f"{path} has rows of another search: name another file")
        rows = cast("list[AblatedStep]", lines[1:])
        self.rows = {row["step"]: row for row in rows}

    def read(self) -> Iterator[dict[str, Any]]:
        """The objects of the file; a last line that was cut short is none."""
        assert self.path is not None
        for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)

    def add(self, row: AblatedStep) -> None:
        """Keep a row."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
