"""A command in an output is one that works for whoever reads it there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import children
import pgmap
from pgmap import Found
from pgmap._core_api import core
from pgmap._here import here
from pgmap.explain import Explain
from ran import Runner

LINE = "Again: python -m pgmap.replay pgm3:abc; all: python -m pgmap"


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that is not activated, with another python first on the path."""
    for folder in ("venv/bin", "bin"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("python", "python3", "pgmap"):
            (tmp_path / folder / name).write_text("#!/bin/sh\n")
            (tmp_path / folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python3"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "venv"


def test_an_activated_environment_is_called_python(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("python3")
    monkeypatch.setenv("PATH", str(venv / "bin"))
    assert here(LINE) == LINE


def test_without_a_python_the_name_is_python3(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (venv / "bin/python").unlink()
    monkeypatch.setenv("PATH", str(venv / "bin"))
    assert here("python -m pgmap.stress") == "python3 -m pgmap.stress"


@pytest.mark.usefixtures("venv")
def test_another_environment_is_called_by_its_path_from_here() -> None:
    python = "venv/bin/python3"
    assert here(LINE) == f"Again: {python} -m pgmap.replay pgm3:abc; all: {python} -m pgmap"


def test_elsewhere_it_is_called_by_all_of_its_path(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(venv)
    monkeypatch.setattr(sys, "executable", "/with space/python")
    assert here("python -m pgmap") == "'/with space/python' -m pgmap"


def test_the_console_script_speaks_its_own_name(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(venv / "bin/pgmap"), "--help"])
    assert here(LINE) == "Again: venv/bin/pgmap replay pgm3:abc; all: venv/bin/pgmap"
    monkeypatch.chdir(venv / "bin")
    assert here("python -m pgmap.stress") == "./pgmap stress"
    monkeypatch.setenv("PATH", str(venv / "bin"))
    assert here(LINE) == "Again: pgmap replay pgm3:abc; all: pgmap"


def test_the_installed_script_and_an_unactivated_python_name_commands_that_run() -> None:
    script = Path(sys.executable).with_name("pgmap")
    if not script.exists():
        pytest.skip("pgmap is not installed as a script here")
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    for command in ([str(script)], [sys.executable, "-m", "pgmap"]):
        done = children.run([*command, "--help"], check=True, env=environment)
        [usage] = [line for line in done.stdout.splitlines() if line.startswith("usage: ")]
        said = usage.removeprefix("usage: ").removesuffix(" COMMAND ...")
        again = children.run(["sh", "-c", f"{said} --version"], env=environment)
        assert again.stdout == f"pgmap {pgmap.__version__}\n", said


@pytest.mark.usefixtures("venv")
def test_a_report_from_python_names_a_command_that_runs() -> None:
    [wrong] = [known for known in core().catalogue()["known"] if known["rule"] == "zap-put"]
    found = pgmap.explore(wrong["program"], rules={wrong["rule"]: wrong["value"]}, shrink=False)
    assert isinstance(found, Found)
    assert "Reproduce: venv/bin/python3 -m pgmap.replay" in found.report
    again = pgmap.replay(found.token).report
    assert again is not None
    assert "Reproduce: venv/bin/python3 -m pgmap.replay" in again


@pytest.mark.usefixtures("venv")
def test_whatever_a_command_prints_is_said_as_it_is_called_here(run: Runner) -> None:
    assert "usage: venv/bin/python3 -m pgmap.explain" in run(Explain(), "--help").stdout
    assert "try: venv/bin/python3 -m pgmap.explain" in run(Explain(), "--nonsense").stderr
