"""Test programs and files, and which are near a mutant.

Distance is that of packages: 0 where the mutated source belongs to (through links, too), 1 where
that is used, and so on. Python's tests are as far as the bindings. Among equals the quick ones
come first.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import children
from mutants.lists import Mutant
from mutants.tree import PLANTED, Message, Tree, name_of

BINDINGS = "pgmap-py"
NO_JUDGES = {"test_instruction_counts.py", "test_mutants.py", "test_packaging.py"}
"""Files about a release build, and about this."""


class End(Enum):
    """How a suite ended."""

    PASSED = "passed"
    FAILED = "failed"
    HUNG = "hung"


@dataclass(frozen=True)
class Ran:
    """One run of one suite."""

    end: End
    seconds: float
    told: str
    """The first test that failed, or what the program died of."""
    failed: tuple[str, ...] = ()
    """Tests of a test program that failed."""


@dataclass(frozen=True)
class Suite:
    """A test program of a package, or a file of pytest's."""

    name: str
    package: str
    command: tuple[str, ...]
    cwd: Path

    @property
    def is_python(self) -> bool:
        return self.package == BINDINGS

    def part(self, chosen: str) -> Suite | None:
        """What of a file of pytest's was chosen, if anything: ``FILE`` or ``FILE::TEST``."""
        file, _, test = chosen.partition("::")
        path = self.command[-1]
        if not self.is_python or Path(path).name != file:
            return None
        name, whole = f"pytest {chosen}", f"{path}::{test}" if test else path
        return replace(self, name=name, command=(*self.command[:-1], whole))

    def without(self, tests: tuple[str, ...]) -> Suite:
        """Leave some tests of a test program out."""
        return replace(self, command=(*self.command, *(f"--skip={name}" for name in tests)))

    def run(self, tree: Tree, number: int, limit: float) -> Ran:
        """Run it with a mutant planted, or with none."""
        began = time.monotonic()
        env = {**tree.env, PLANTED: str(number), "RUST_BACKTRACE": "0"}
        try:
            done = children.run(self.command, cwd=self.cwd, env=env, timeout=limit)
        except subprocess.TimeoutExpired:
            return Ran(End.HUNG, time.monotonic() - began, f"after {limit:.0f} s")
        seconds = time.monotonic() - began
        if done.returncode == 0:
            return Ran(End.PASSED, seconds, "")
        failed = re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.MULTILINE)
        return Ran(End.FAILED, seconds, _told(done), tuple(failed))


def _told(done: subprocess.CompletedProcess[str]) -> str:
    failed = re.search(r"^(?:test (\S+) \.\.\. FAILED|FAILED (\S+)|ERROR (\S+))", done.stdout, re.M)
    if failed:
        return next(name for name in failed.groups() if name)
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    return f"exit code {done.returncode}"


@dataclass
class Suites:
    """All suites of a tree."""

    tree: Tree
    all: list[Suite] = field(default_factory=list)
    users: dict[str, set[str]] = field(default_factory=dict)
    """Packages by a package they depend on."""
    sources: dict[str, set[Path]] = field(default_factory=dict)
    """Files of each package, links followed."""

    @classmethod
    def of(cls, tree: Tree, messages: list[Message]) -> Suites:
        """All suites of a tree that was compiled, as cargo told."""
        suites = cls(tree)
        suites._packages()
        suites.all = [*suites._programs(messages), *suites._python()]
        return suites

    def near(self, mutant: Mutant, quick: dict[str, float]) -> list[Suite]:
        """The suites in the order in which to run them; ``quick`` has seconds by name."""
        distances = self._distances(mutant)
        if not mutant.is_rust:
            stem = Path(mutant.file).stem.strip("_")
            own = [suite for suite in self.all if suite.is_python]
            return sorted(own, key=lambda it: (stem not in it.name, quick[it.name]))
        near = [suite for suite in self.all if suite.package in distances]
        return sorted(near, key=lambda it: (distances[it.package], it.is_python, quick[it.name]))

    def built(self, package: str) -> list[Suite]:
        """Compile the test programs of a package."""
        messages = self.tree.cargo("build", "--tests", "-p", package)
        if any(message.get("success") is False for message in messages):
            raise NotBuilt
        return self._programs(messages)

    def _programs(self, messages: list[Message]) -> list[Suite]:
        found = []
        for message in messages:
            if message["reason"] != "compiler-artifact" or not message.get("executable"):
                continue
            if not message["profile"]["test"]:
                continue
            manifest = Path(message["manifest_path"])
            package, target = name_of(manifest), message["target"]
            kind = "" if target["kind"] == ["test"] else f"{target['kind'][0]} "
            command = (message["executable"], "--test-threads=2")
            name = f"{package} {kind}{target['name']}"
            found.append(Suite(name, package, command, manifest.parent))
        return found

    def build_bindings(self) -> None:
        """Put the extension module where the copy's Python finds it."""
        for message in self.tree.cargo("build", "-p", BINDINGS):
            if message["reason"] == "compiler-artifact" and message["target"]["name"] == "_core":
                library = message["filenames"][0]
                shutil.copy(library, self.tree.root / "python" / "pgmap" / "_core.so")
            elif message["reason"] == "build-finished" and not message["success"]:
                raise NotBuilt

    def packages_near(self, mutant: Mutant) -> list[str]:
        distances = self._distances(mutant)
        return sorted(distances, key=lambda package: (distances[package], package))

    def _python(self) -> list[Suite]:
        if BINDINGS in self.sources:
            self.build_bindings()
        tests = sorted((self.tree.root / "tests").rglob("test_*.py"))
        pytest = (str(self.tree.python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
        return [
            Suite(f"pytest {path.name}", BINDINGS, (*pytest, str(path)), self.tree.root)
            for path in tests
            if path.name not in NO_JUDGES
        ]

    def _packages(self) -> None:
        users: dict[str, set[str]] = defaultdict(set)
        for manifest in [*self.tree.root.glob("rust/*/Cargo.toml")]:
            package = name_of(manifest)
            folder = manifest.parent
            files = {path.resolve() for path in _walk(folder / "src")}
            self.sources[package] = files | {folder / "build.rs"}
            text = manifest.read_text()
            used = re.findall(r'path = "\.\./([\w-]+)"', text)
            names = [name_of(folder.parent / path / "Cargo.toml") for path in used]
            for name in {*names, *re.findall(r"^(pgmap-[\w-]+)", text, re.MULTILINE)}:
                users[name].add(package)
        self.users = dict(users)

    def _distances(self, mutant: Mutant) -> dict[str, int]:
        path = (self.tree.root / mutant.file).resolve()
        here = [package for package, files in self.sources.items() if path in files]
        distances = dict.fromkeys(here, 0)
        for package in here:  # grows while it is walked
            for user in sorted(self.users.get(package, ())):
                if user not in distances:
                    distances[user] = distances[package] + 1
                    here.append(user)
        return distances


class NotBuilt(Exception):
    """A mutant without a switch that does not compile."""


def _walk(folder: Path) -> list[Path]:
    """Files below a folder, links to folders followed."""
    found = []
    for path in folder.iterdir():
        found += _walk(path) if path.is_dir() else [path]
    return found
