"""Runs that are interrupted: partial results, then the exit code of the signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import children
from pgmap._exit import Exit
from pgmap._signals import listening

# A stress run that never ends by itself; `finish` may be told to hang on.
SCRIPT = f"""
import signal, sys, threading
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fake_core import *
from fake_reports import *
from pgmap._cli import run_command
from pgmap.stress import Stress

class Endless(FakeStress):
    def finish(self):
        if "stuck" in sys.argv:
            print("finishing", file=sys.stderr, flush=True)
            while True:
                threading.Event().wait(0.05)
        return super().finish()

found = [violation()] if "found" in sys.argv else []
ops = 0 if "idle" in sys.argv else 5
core = FakeCore(stress=Endless(stress_report(violations=found, ops=ops), polls=None))
print("ready", file=sys.stderr, flush=True)
sys.exit(run_command(Stress(), ["--json", "-", "--progress", "none", "--color", "never"], core))
"""


@contextmanager
def endless(*words: str) -> Iterator[subprocess.Popen[str]]:
    with children.child([sys.executable, "-c", SCRIPT, *words]) as child:
        read_until(child, "pgmap ")  # the header: the handlers are set right after it
        yield child


def read_until(child: subprocess.Popen[str], word: str) -> str:
    assert child.stderr is not None
    for line in child.stderr:
        if word in line:
            return line
    raise AssertionError(f"the child ended before it said {word!r}")


def test_a_signal_ends_a_sleep_that_would_go_on_for_an_hour() -> None:
    with listening() as signals:
        signal.raise_signal(signal.SIGUSR1)
        signals.wait(3600)
        assert signals.take_status_request()
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        signals.wait(3600)
        assert signals.stopped_by is signal.SIGINT


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)],
)
def test_a_signal_ends_the_run_with_what_it_has(number: signal.Signals, code: Exit) -> None:
    with endless() as child:
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
        assert child.returncode == code
        report = json.loads(out)
        assert report["complete"] is False
        assert report["ok"] is False
        assert f"Interrupted by {number.name}" in err


def test_a_violation_wins_over_the_interruption() -> None:
    with endless("found") as child:
        read_until(child, "VIOLATION")
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
        assert child.returncode == Exit.FOUND
        assert json.loads(out)["violations"]


def test_an_interruption_before_the_first_operation_is_an_interruption() -> None:
    with endless("idle") as child:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode == Exit.INTERRUPTED


def test_the_second_interrupt_leaves_at_once() -> None:
    with endless("stuck") as child:
        child.send_signal(signal.SIGINT)
        read_until(child, "finishing")
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == Exit.INTERRUPTED


def test_sigusr1_asks_for_a_line_of_status() -> None:
    with endless() as child:
        child.send_signal(signal.SIGUSR1)
        assert "violations 0" in read_until(child, "ops")
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode == Exit.INTERRUPTED


def test_the_handlers_of_before_are_put_back() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    for error in (None, ValueError()):
        with suppress(ValueError), listening():
            assert all(signal.getsignal(n) != was for n, was in zip(numbers, before, strict=True))
            if error is not None:
                raise error
        assert [signal.getsignal(number) for number in numbers] == before
