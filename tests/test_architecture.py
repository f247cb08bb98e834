"""The page that draws the rooms names what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
ROW = re.compile(r"^\| (?P<what>.+) \| (?P<where>`mm/src/.+`) \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


def sources(where: str) -> Iterator[Path]:
    """The files of ``mm/src/vm/zap.rs`, `gather.rs``: a bare name is in the folder before it."""
    folder = ROOT
    for path in QUOTED.findall(where):
        full = ROOT / "rust" / path if "/" in path else folder / path
        folder = full if full.is_dir() else full.parent
        yield from sorted(full.rglob("*.rs")) if full.is_dir() else [full]


ROWS = [(row["what"], row["where"]) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def test_there_are_rows_to_look_at() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize(("what", "where"), ROWS, ids=[what for what, _ in ROWS])
def test_a_kernel_function_is_in_the_room_that_is_named(what: str, where: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sources(where))
    missing = [name for name in QUOTED.findall(what) if name not in text]
    assert missing == []


def test_every_path_of_the_page_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = {path for path in QUOTED.findall(text) if path.startswith(("rust/", "mm/src/"))}
    roots = [ROOT, ROOT / "rust"]
    assert [path for path in sorted(named) if not any((at / path).exists() for at in roots)] == []
