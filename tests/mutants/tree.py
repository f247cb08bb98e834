"""The copy in which mutants live: ``target/mutants/tree``, with a crate more and switches.

It is kept, so a second run builds what changed. The tree it was made from is only read.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import children
from mutants import switches
from mutants.lists import Mutant

PLANTED = "PGMAP_PLANTED"
"""The variable that says which mutant runs; none without it."""

_CRATE = """\
//! Which mutant runs in this process.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const UNREAD: u32 = u32::MAX;
static NOW: AtomicU32 = AtomicU32::new(UNREAD);

#[inline(always)]
pub fn planted(number: u32) -> bool {
    let now = NOW.load(Relaxed);
    number == if now == UNREAD { read() } else { now }
}

#[cold]
fn read() -> u32 {
    let said = std::env::var("PGMAP_PLANTED").ok();
    let now = said.and_then(|number| number.parse().ok()).unwrap_or(0);
    NOW.store(now, Relaxed);
    now
}
"""
_MANIFEST = """\
[package]
name = "pgmap-planted"
version = "0.0.0"
edition = "2024"

[lib]
doctest = false
"""
_BUILD_LIMIT = 3600.0


Message = dict[str, Any]
"""What cargo says about one artifact, or the compiler about one line."""


class BuildFailed(Exception):
    """The tree does not compile, and no mutant is to blame."""


@dataclass
class Tree:
    """A copy of the sources at ``root``."""

    source: Path
    root: Path
    python: Path
    numbers: dict[Mutant, int] = field(default_factory=dict)
    """Mutants with a switch."""
    alone: set[Mutant] = field(default_factory=set)
    """Mutants of Rust code without."""

    @classmethod
    def of(cls, source: Path, python: Path, mutants: Iterable[Mutant]) -> Tree:
        """Copy what git knows or would know; files of mutants are written by :meth:`plant`."""
        tree = cls(source, source / "target" / "mutants" / "tree", python)
        tree._copy({tree._real(mutant.file) for mutant in mutants if mutant.is_rust})
        return tree

    @property
    def env(self) -> dict[str, str]:
        """For builds and suites: nothing of the caller's tree, and nothing of the network."""
        kept = {name: value for name, value in os.environ.items() if name != PLANTED}
        return {
            **kept,
            "CARGO_TARGET_DIR": str(self.root.parent / "build"),
            "CARGO_NET_OFFLINE": "true",
            "CARGO_PROFILE_DEV_DEBUG": "0",
            "PYO3_BUILD_EXTENSION_MODULE": "1",
            "PYO3_PYTHON": str(self.python),
            "PYTHONPATH": str(self.root / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def plant(self, mutants: Iterable[Mutant], *, tests: bool = True) -> list[Message]:
        """Put every mutant behind a switch that can be, and compile all once, with its tests."""
        rust = [mutant for mutant in mutants if mutant.is_rust]
        self.numbers = {mutant: number for number, mutant in enumerate(rust, start=1)}
        while True:
            copies = self._write_switches()
            wanted = ["--tests"] if tests else []
            messages = self.cargo("build", *wanted, "--keep-going", *self._packages())
            errors = self._errors(messages)
            if not errors:
                return messages
            guilty: set[Mutant] = set()
            for file, line in errors:
                guilty |= switches.blamed(copies.get(file, []), line)
            if not guilty:
                raise BuildFailed("\n".join(f"{file}:{line}" for file, line in errors))
            self._give_up(guilty)

    def put_alone(self, mutant: Mutant) -> None:
        """Plant one mutant without a switch, and take the switches out of its file."""
        self.write(mutant.file, mutant.applied(self.original(mutant.file)))

    def take_back(self, mutant: Mutant) -> None:
        self.write(mutant.file, self.original(mutant.file))

    def original(self, file: str) -> str:
        return (self.source / file).read_text()

    def write(self, file: str, text: str) -> None:
        """Write what differs: the build looks at times."""
        path = (self.root / file).resolve()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def cargo(self, *words: str) -> list[Message]:
        """Run cargo and take its messages."""
        command = ["cargo", *words, "--message-format=json"]
        done = children.run(command, cwd=self.root, env=self.env, timeout=_BUILD_LIMIT)
        messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not messages:
            raise BuildFailed(done.stderr)
        return messages

    def _write_switches(self) -> dict[str, list[switches.Copy]]:
        by_file: dict[str, dict[int, Mutant]] = defaultdict(dict)
        for mutant, number in list(self.numbers.items()):
            if switches.body_of(mutant, self.original(mutant.file)) is None:
                self._give_up({mutant})
            else:
                by_file[self._real(mutant.file)][number] = mutant
        copies = {}
        for file in {self._real(mutant.file) for mutant in {*self.numbers, *self.alone}}:
            text, copies[file] = switches.switched(self.original(file), by_file[file])
            self.write(file, text)
        return copies

    def _give_up(self, mutants: set[Mutant]) -> None:
        for mutant in mutants:
            del self.numbers[mutant]
        self.alone |= mutants

    def _real(self, file: str) -> str:
        """Where a file is that may be reached through links."""
        return str((self.source / file).resolve().relative_to(self.source))

    def _errors(self, messages: list[Message]) -> list[tuple[str, int]]:
        """Where the compiler complains."""
        places = []
        for message in messages:
            told = message.get("message", {})
            if message["reason"] != "compiler-message" or told["level"] != "error":
                continue
            for span in told["spans"]:
                path = (self.root / span["file_name"]).resolve()
                if path.is_relative_to(self.root):
                    places.append((str(path.relative_to(self.root)), span["line_start"]))
        return places

    def _packages(self) -> list[str]:
        """What is tested: the crates, not the benchmarks."""
        names = [name_of(path) for path in sorted(self.root.glob("rust/*/Cargo.toml"))]
        return [word for name in names for word in ("-p", name)]

    def _copy(self, switched: set[str]) -> None:
        command = ["git", "ls-files", "-coz", "--exclude-standard"]
        listed = children.run(command, cwd=self.source, check=True).stdout.split("\0")
        wanted = {name for name in listed if name and os.path.lexists(self.source / name)}
        ours = {"rust/planted/src/lib.rs": _CRATE, "rust/planted/Cargo.toml": _MANIFEST}
        for path in self.root.rglob("*"):
            name = str(path.relative_to(self.root))
            if not path.is_dir() and name not in wanted | set(ours) and path.suffix != ".so":
                path.unlink()
        for name in wanted:
            if name not in switched or not (self.root / name).exists():
                _same(self.source / name, self.root / name, _with_crate)
        for name, text in ours.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            self.write(name, text)


def name_of(manifest: Path) -> str:
    """The package of a manifest."""
    named = re.search(r'^name = "(.*)"', manifest.read_text(), re.MULTILINE)
    return named.group(1) if named else manifest.parent.name


def _with_crate(name: Path, contents: bytes) -> bytes:
    """Let the crates of the protocol depend on the one that knows what is planted."""
    if name.name != "Cargo.toml" or name.parent.parent.name != "rust":
        return contents
    line = f'[dependencies]\n{switches.CRATE} = {{ path = "../planted" }}\n'
    return re.sub(rb"^\[dependencies\]\n", line.encode(), contents, count=1, flags=re.M)


def _same(source: Path, copy: Path, change: Callable[[Path, bytes], bytes]) -> None:
    """Make a copy that keeps its time while it keeps its contents."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target = os.readlink(source)
        if not copy.is_symlink() or os.readlink(copy) != target:
            copy.unlink(missing_ok=True)
            copy.symlink_to(target)
    elif not source.is_dir():
        contents = change(source, source.read_bytes())
        if copy.is_symlink():
            copy.unlink()
        if not copy.exists() or copy.read_bytes() != contents:
            copy.write_bytes(contents)
        copy.chmod(source.stat().st_mode & 0o777)
