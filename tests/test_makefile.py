"""`make` on machines where something is missing: one clear line each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import children

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "sed", "find", "mkdir", "touch", "sort", "head", "printf", "rm", "expand", "echo")

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or not (ROOT / "Makefile").is_file(),
    reason="no make here, or not run from a checkout",
)

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make TARGET` in an empty checkout, with a PATH of harmless tools and the given scripts."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("rust", "python"):
        (tmp_path / folder).mkdir()
    for name in ("Cargo.toml", "README.md"):
        (tmp_path / name).write_text("")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for tool in TOOLS:
        real = shutil.which(tool)
        if real is not None:
            (bin_ / tool).symlink_to(real)

    def run(target: str, **scripts: str) -> subprocess.CompletedProcess[str]:
        for name, body in scripts.items():
            script = bin_ / name
            script.write_text(f"#!/bin/sh\n{body}\n")
            script.chmod(0o755)
        real = shutil.which("make")
        assert real is not None
        env = {"PATH": str(bin_)}  # nothing of an outer make's either
        return children.run([real, target], cwd=tmp_path, env=env)

    return run


GOOD_CARGO = "echo cargo 1.95.0 '(0 2026-01-01)'"
BROKEN_RUSTUP = (
    "echo 'error: rustup could not choose a version of cargo to run' >&2\n"
    "echo 'help: run rustup default stable' >&2\n"
    "exit 1"
)
NO_VENV = 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac'


@pytest.mark.parametrize(
    ("scripts", "sentence"),
    [
        ({"cc": ":", "python3": ":"}, "cargo not found: install Rust 1.88 or newer"),
        (
            {"cargo": "echo cargo 1.9.0", "cc": ":", "python3": ":"},
            "cargo 1.9.0 is too old: Rust 1.88 or newer is needed",
        ),
        (
            {"cargo": BROKEN_RUSTUP, "cc": ":", "python3": ":"},
            "cargo is installed but does not run: repair Rust, then run make again; "
            "it says: error: rustup could not choose a version of cargo to run",
        ),
        (
            {"cargo": "exit 1", "cc": ":", "python3": ":"},
            "cargo is installed but does not run: repair Rust",
        ),
        ({"cargo": GOOD_CARGO, "python3": ":"}, "cc not found"),
        ({"cargo": GOOD_CARGO, "cc": ":"}, "python3 not found: install Python 3.10"),
        ({"cargo": GOOD_CARGO, "cc": ":", "python3": "exit 1"}, "is older than Python 3.10"),
        ({"cargo": GOOD_CARGO, "cc": ":", "python3": NO_VENV}, "apt install python3-venv"),
    ],
    ids=[
        "no-cargo",
        "old-cargo",
        "broken-rustup",
        "mute-cargo",
        "no-cc",
        "no-python",
        "old-python",
        "no-venv",
    ],
)
@pytest.mark.parametrize("target", ["stress", "test", "build", "wheel"])
def test_what_is_missing_is_said_in_one_line(
    target: str, scripts: dict[str, str], sentence: str, make: Make
) -> None:
    done = make(target, **scripts)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert line.endswith("Stop.")


def test_help_needs_nothing(make: Make) -> None:
    done = make("help")
    assert done.returncode == 0
    for target in ("build", "stress", "test", "bench", "lint", "wheel", "clean"):
        assert f"  {target}" in done.stdout


def test_what_cargo_says_while_it_builds_is_shown(make: Make, tmp_path: Path) -> None:
    venv = tmp_path / ".venv" / "bin"
    venv.mkdir(parents=True)
    maturin = (
        'echo "   Compiling pgmap-mm" >&2; mkdir -p target/wheels; : > target/wheels/pgmap.whl'
    )
    for name, body in (("python", ":"), ("maturin", maturin)):
        (venv / name).write_text(f"#!/bin/sh\n{body}\n")
        (venv / name).chmod(0o755)
    done = make("build", cargo=GOOD_CARGO, cc=":", python3=":")
    assert done.returncode == 0, done.stderr
    assert "Compiling pgmap-mm" in done.stderr
