"""Watching a `Run` from Python: short slices, so that a signal is seen within a twentieth second.

The native threads do not know about Python. This loop polls them, shows progress, keeps the
records, and when a limit or a signal ends the run asks for the report. It never waits longer than
a slice for anything but `Run.finish`, which the core bounds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

from pgmap._cli import UsageError
from pgmap._core_api import Run
from pgmap._output import Output
from pgmap._progress import Progress, showing
from pgmap._signals import Signals

SLICE_SECONDS = 0.05
RECORD_SECONDS = 5.0

P = TypeVar("P", bound=Mapping[str, object])
R = TypeVar("R")


class Records:
    """``results.jsonl`` in the folder of ``--out``: what is known so far survives anything.

    Without a folder every method does nothing. A disk that fills up during a run ends the records,
    with a note, and not the run.
    """

    def __init__(self, folder: str | None, note: Callable[[str], None]) -> None:
        self._note = note
        self._folder = None if folder is None else Path(folder)
        self._file: FileIO | None = None
        self._due = 0.0
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = (self._folder / "results.jsonl").open("wb", buffering=0)
            except OSError as error:
                raise UsageError(f"cannot write to {folder}: {error.strerror}") from error

    def write(self, event: str, payload: object) -> None:
        """Append one event; unbuffered, so it is out of this process when this returns."""
        if self._file is None:
            return
        try:
            self._file.write(
                json.dumps({"event": event, "data": payload}, default=str).encode() + b"\n"
            )
        except OSError as error:
            self._give_up(error)

    def offer(self, payload: object) -> None:
        """Append progress if the last one is older than a few seconds."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + RECORD_SECONDS
            self.write("progress", payload)

    def close(self, report: dict[str, Any]) -> None:
        """Append the end, and keep the whole report beside it."""
        self.write("end", report)
        if self._file is None or self._folder is None:
            return
        words = json.dumps(report, indent=2, default=str) + "\n"
        try:
            self._file.close()
            (self._folder / "report.json").write_text(words, encoding="utf-8")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._note(f"no more records in {self._folder}: {error.strerror}")
        if self._file is not None:
            self._file.close()
        self._file = None


def drive(
    run: Run[P, R],
    signals: Signals,
    progress: Progress,
    *,
    describe: Callable[[P], Sequence[str]],
    observe: Callable[[P], None] | None = None,
) -> R:
    """Watch `run` until it is done or a signal stops it, and return its report.

    Each glance is described, and observed by who wants to.
    """
    while True:
        glance = run.poll()
        if observe is not None:
            observe(glance)
        lines = describe(glance)
        if signals.take_status_request():
            progress.status(lines)
        progress.update(lines)
        if glance["done"]:
            return run.finish()
        if signals.stopped_by is not None:
            run.stop()
            return run.finish()
        signals.wait(SLICE_SECONDS)


def shown(
    run: Run[P, R],
    signals: Signals,
    choice: str,
    out: Output,
    *,
    describe: Callable[[P], Sequence[str]],
    observe: Callable[[P], None],
) -> R:
    """As `drive`, with the display that ``--progress`` asks for while it runs."""
    with showing(choice, out) as progress:
        return drive(run, signals, progress, describe=describe, observe=observe)
