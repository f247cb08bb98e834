"""Running a command as a user does, but with a core of the test's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fake_core import FakeCore
from pgmap._cli import Command, run_command
from pgmap._exit import Exit
from ran import Ran, Runner


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
