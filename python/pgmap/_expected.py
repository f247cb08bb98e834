"""`race`: the mark of a test that must find a race of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def race(name: str) -> pytest.MarkDecorator:
    """Mark a test that must find the race `name` of the catalogue, such as ``free-push``.

    It passes if its `pgmap_explore` finds that race, and fails if not. A number (``B04``) will do,
    too. The same as ``pytest.mark.pgmap_race(name)``; needs pytest. What the catalogue does not
    have, or no program shows, is a `RaceError` when the test runs.
    """
    import pytest

    return pytest.mark.pgmap_race(name)
