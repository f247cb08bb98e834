"""Progress on stderr: live on a terminal, plain in a pipe, never between lines of the result."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

import children
from pgmap._exit import Exit
from pgmap._output import Output
from pgmap._progress import showing
from pgmap.stress import Stress
from ran import Runner

SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fake_core import *
from fake_reports import *
from pgmap._cli import run_command
from pgmap.stress import Stress
core = FakeCore(stress=FakeStress(stress_report(violations=[violation()]), polls=4))
sys.exit(run_command(Stress(), sys.argv[1:], core))
"""


def on_a_terminal(*words: str) -> tuple[int, str, str]:
    """Run with stderr on a terminal and stdout in a pipe."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, *words]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with children.child(command, stderr=theirs, env=env) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            shown += piece
        os.close(ours)
        out, _ = child.communicate(timeout=60)
        return child.returncode, out, shown.decode()


def test_a_terminal_gets_a_live_display_and_a_pipe_the_clean_result() -> None:
    code, out, shown = on_a_terminal()
    assert code == Exit.FOUND
    assert "\x1b" not in out
    assert out.startswith("pgmap ")
    assert "28.9M ops" in shown
    assert "\x1b[2K" in shown, "the display is rewritten in place"
    assert shown.rstrip().endswith("\x1b[2K"), "and gone at the end"
    assert shown.count("\x1b[?25h") >= shown.count("\x1b[?25l"), "the cursor is back"


@pytest.mark.parametrize("words", [("--progress", "none"), ("-q",)])
def test_a_terminal_can_be_left_alone(words: tuple[str, ...]) -> None:
    assert on_a_terminal(*words)[2] == ""


def test_a_pipe_gets_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("pgmap._progress.time.monotonic", lambda: now[0])
    with showing("auto", Output(None)) as progress:
        for second in range(25):
            now[0] = 100.0 + second
            progress.update([f"at {second}", "detail"])
    assert capsys.readouterr().err == "at 10\nat 20\n"


def test_a_short_run_in_a_pipe_says_nothing_on_stderr(run: Runner) -> None:
    assert run(Stress()).stderr == ""
