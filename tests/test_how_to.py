"""The samples of the how-to pages run, those of a page one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parent.parent / "docs" / "how-to").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def samples(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def test_there_are_pages() -> None:
    assert {page.stem for page in PAGES} >= {"expectation", "patch-idea", "tests", "token"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_samples_of_a_page_run(page: Path) -> None:
    blocks = samples(page)
    assert blocks
    names: dict[str, object] = {"__name__": page.stem}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
