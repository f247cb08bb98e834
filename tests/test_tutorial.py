"""The tutorial runs as it stands, block by block, and prints what it says.

A line `...` in what it prints stands for whatever is there: a token, times.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from pgmap.__main__ import COMMANDS
from pgmap._cli import build_parser

DOCS = Path(__file__).parent.parent / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELLIPSIS = "...\n"


def is_said(printed: str, shown: str) -> bool:
    """Whether what was printed is what is shown, whatever stands for an ellipsis."""
    parts = map(re.escape, shown.split(f"\n{ELLIPSIS}"))
    return re.fullmatch("\n(?:.*\n)*?".join(parts), printed) is not None


def test_an_ellipsis_stands_for_lines_and_nothing_else_does() -> None:
    assert is_said("a\nb\nc\n", "a\n...\nc\n")
    assert is_said("a\nc\n", "a\n...\nc\n")
    assert not is_said("a\nb\nd\n", "a\n...\nc\n")
    assert not is_said("a\nb\n", "a\n")


def test_the_tutorial_prints_what_it_says() -> None:
    names: dict[str, object] = {"__name__": "tutorial"}
    printed, python, ran = io.StringIO(), "", 0
    for kind, block in BLOCK.findall(TUTORIAL):
        if kind == "text":
            assert is_said(printed.getvalue(), block), f"{python}\nprints\n{printed.getvalue()}"
            ran += 1
            continue
        printed, python = io.StringIO(), block
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "tutorial", "exec"), names)
    assert ran >= 6


def lines() -> list[list[str]]:
    """The lines to paste that run pgmap, of every page."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    told = [
        re.findall(r"^    python -m pgmap\.(.+?)(?:  +#.*)?$", it, re.MULTILINE) for it in texts
    ]
    return [shlex.split(line) for them in told for line in them]


@pytest.mark.parametrize("words", lines(), ids=" ".join)
def test_each_line_is_a_command_line_that_makes_sense(words: list[str]) -> None:
    [command] = [command for command in COMMANDS if command.name == words[0]]
    build_parser(command).parse_args(words[1:])


def test_the_line_that_installs_is_the_readmes() -> None:
    [line] = re.findall(r"^    (.*pip install.*)$", TUTORIAL, re.MULTILINE)
    assert line in (DOCS.parent / "README.md").read_text(encoding="utf-8")


def test_every_page_that_is_linked_is_there() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
