"""A finding is told the moment it exists and survives anything; no cut execution is forgotten."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import children
import pgmap
from fake_core import FakeCore, FakeExplore
from fake_reports import TOKEN, explore_report, found
from pgmap import _cli, errors
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap.verdicts import Inconclusive

PROGRAM = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 w 0 0\nw1 ftruncate f 0\n"

# A search that has found something, makes it small for ever, and never comes to an end.
SCRIPT = f"""
import sys, threading
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fake_core import *
from fake_reports import *
from pgmap._cli import run_command
from pgmap._explore import Explore

class Endless(FakeExplore):
    def finish(self):
        print("finishing", file=sys.stderr, flush=True)
        while True:
            threading.Event().wait(0.05)

core = FakeCore(explores=[Endless(explore_report(), polls=None, first=found())])
words = ["--break", "zap-put=before-flush", "--json", sys.argv[1], "--progress", "none"]
sys.exit(run_command(Explore(), words, core))
"""


@contextmanager
def endless(target: str) -> Iterator[subprocess.Popen[str]]:
    with children.child([sys.executable, "-c", SCRIPT, target]) as child:
        yield child


def read_until(stream: object, word: str) -> str:
    for line in stream or ():  # type: ignore[attr-defined]
        if word in line:
            return str(line)
    raise AssertionError(f"the child ended before it said {word!r}")


def test_a_finding_is_printed_before_it_is_made_small() -> None:
    with endless("-") as child:
        assert "found I22" in read_until(child.stderr, "Found:")
        assert TOKEN in read_until(child.stderr, "Token:")
        assert child.poll() is None


def test_a_finding_is_in_the_json_file_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with endless(str(path)) as child:
        read_until(child.stdout, "Token:")
        child.send_signal(signal.SIGINT)
        read_until(child.stderr, "finishing")
        report = json.loads(path.read_text())
        assert (report["token"], report["complete"]) == (TOKEN, False)
        assert report["found"]["finding"]["invariant"] == "I22"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_lose_the_finding(number: signal.Signals) -> None:
    with endless("-") as child:
        read_until(child.stderr, "Token:")
        child.send_signal(number)
        read_until(child.stderr, "finishing")
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
        assert child.returncode == Exit.FOUND
        assert json.loads(out)["token"] == TOKEN


def test_what_is_told_at_once_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    core = FakeCore(explores=[FakeExplore(explore_report(verdict="found", found=found()), polls=1)])
    _cli.run_command(Explore(), ["--break", "zap-put=before-flush"], core)
    assert capsys.readouterr().out.count("Token:") == 1


def test_cut_executions_make_a_search_inconclusive() -> None:
    verdict = pgmap.explore(PROGRAM, max_steps=20)
    assert isinstance(verdict, Inconclusive)
    assert "were cut short after 20 points" in verdict.why
    assert "max_steps" in verdict.why
    with pytest.raises(errors.InvalidArgument, match="max_steps is 0"):
        pgmap.explore(PROGRAM, max_steps=0)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--for", "60s"),
        ("--schedules", "5"),
        ("--strategy", "random", "--schedules", "9"),
    ],
)
def test_cut_executions_are_told_however_the_search_ends(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, result = tmp_path / "p.txt", tmp_path / "out.json"
    path.write_text(PROGRAM)
    bound = [] if "random" in words else ["--preemptions", "0"]
    limits = ["--max-steps", "20", "--json", str(result), *bound]
    code = _cli.run_command(Explore(), [str(path), *limits, *words])
    assert code == Exit.INCONCLUSIVE
    said = capsys.readouterr().out
    assert "inconclusive" in said
    assert "--max-steps" in said
    report = json.loads(result.read_text())
    assert (report["verdict"], report["max_steps"]) == ("inconclusive", 20)
    drawn = report["coverage"]
    ran = sum(bound["schedules"] for bound in report["bounds"])
    assert report["too_long"] == ran + (drawn["executions"] if drawn else 0) > 0


def test_a_hunt_with_cut_executions_is_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--hunt", "mmap touch", "--ops", "3", "--max-steps", "20"]
    assert _cli.run_command(Explore(), words) == Exit.INCONCLUSIVE
    assert "were cut short after 20 points" in capsys.readouterr().out
