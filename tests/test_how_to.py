"""The samples of the how-to pages run as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGES = Path(__file__).parent.parent / "docs" / "how-to"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def samples() -> Iterator[tuple[str, str]]:
    """By page and number."""
    for page in sorted(PAGES.glob("*.md")):
        for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1):
            yield f"{page.stem} {number}", block


SAMPLES = dict(samples())


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 4


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_runs(name: str) -> None:
    exec(compile(SAMPLES[name], name, "exec"), {"__name__": name})
