"""The README's samples are what the commands say today: an old token would not even run again.

If a test fails here because the model takes other steps now, run the command and paste its output.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from pgmap import _replay
from pgmap.__main__ import COMMANDS
from pgmap._cli import build_parser
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from ran import Runner

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(start: str, end: str) -> str:
    """What stands between two phrases, unindented."""
    return textwrap.dedent(README.split(start, 1)[1].split(end, 1)[0]).strip()


def commands() -> list[list[str]]:
    """The lines to paste that run pgmap."""
    lines = re.findall(r"^    (?:\$ )?python -m pgmap\.(.+)$", README, re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_line_is_a_command_line_that_makes_sense(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    [command] = [command for command in COMMANDS if command.name == words[0]]
    args = build_parser(command).parse_args(words[1:])
    assert all(Path(name).exists() for name in getattr(args, "files", []))
    core().check_rules(getattr(args, "era", None) or "v6.15", getattr(args, "breaks", []))


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+s\b", "TIME", text)


SAMPLE = block("    $ python -m pgmap.explore --break zap-put=before-flush\n", "\nThe last lines")


def test_the_sample_is_what_explore_says_but_for_the_token_at_its_end(run: Runner) -> None:
    ran = run(Explore(), "--break", "zap-put=before-flush", core=core())
    assert ran.exit is Exit.FOUND
    assert [line.split()[0] for line in ran.end[-2:]] == ["Token:", "Again:"]
    assert without_times("\n".join(ran.end[:-2])) == without_times(SAMPLE)


def test_the_token_of_the_sample_runs_again() -> None:
    [token] = _replay.tokens(SAMPLE)
    assert core().replay(token)["outcome"] == "reproduced"
    assert core().replay(token, "v6.15-sound")["outcome"] == "not-reproduced"


def test_the_python_of_the_readme_runs_and_finds() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block("## From Python\n", "\nA verdict is"), {})
    page, *report, last = printed.getvalue().splitlines()
    assert "1025" in page
    assert "BUG: pgmap: page freed while a TLB still maps it" in "\n".join(report)
    assert last == "reproduced"
