"""A small world, and a command as a user runs it, but with a core of the test's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_core import FakeCore
from pgmap import World
from pgmap._cli import Command, run_command
from pgmap._exit import Exit
from ran import Ran, Runner
from worlds import make


@pytest.fixture(autouse=True)
def activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python`` is the one that runs the tests, as in an activated environment."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def runner(command: Command, *argv: str, core: FakeCore | None = None) -> Ran:
        code = run_command(command, argv, FakeCore() if core is None else core)
        out, err = capfd.readouterr()
        return Ran(Exit(code), out, err)

    return runner


@pytest.fixture
def world() -> Iterator[World]:
    with make() as world:
        world.create("f", 8, "written", "huge")
        world.spawn(0)
        world.open(0, 0, "f")
        world.mmap(0, 0, 0, 0, 8)
        yield world
