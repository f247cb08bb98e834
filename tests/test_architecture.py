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
    names = QUOTED.findall(what)
    assert names != [], "a row that names nothing says nothing that could be wrong"
    assert [name for name in names if name not in text] == []


def test_every_path_of_the_page_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = {path for path in QUOTED.findall(text) if path.startswith(("rust/", "mm/src/"))}
    roots = [ROOT, ROOT / "rust"]
    assert [path for path in sorted(named) if not any((at / path).exists() for at in roots)] == []


# A path to another file of the same crate: `crate::vm::tables`, `super::round`, `crate::{a::B, c::D}`.
PATH = re.compile(r"\b(?P<root>crate|super)(?P<rest>(?:::[a-z_0-9]+)*)(?:::\{(?P<list>[^;]*?)\})?")
HEAD = re.compile(r"(?<![\w:])([a-z_0-9]+(?:::[a-z_0-9]+)*)")
File = tuple[str, ...]


def imports(files: dict[File, str]) -> dict[File, set[File]]:
    """Which files each one names, but for a folder's own file and those in the folder it stands for."""
    found: dict[File, set[File]] = {}
    for me, text in files.items():
        for path in PATH.finditer(text):
            base = [] if path["root"] == "crate" else list(me[:-1])
            base += [part for part in path["rest"].split("::") if part]
            heads = [head.split("::") for head in HEAD.findall(path["list"] or "")]
            for parts in [base, *(base + head for head in heads)]:
                lengths = range(len(parts), 0, -1)
                there = next((tuple(parts[:n]) for n in lengths if tuple(parts[:n]) in files), me)
                if there[: len(me)] != me and me[: len(there)] != there:
                    found.setdefault(me, set()).add(there)
    return found


def in_circles(edges: dict[File, set[File]]) -> set[File]:
    """The files that can be reached from themselves."""

    def reached(start: File) -> set[File]:
        seen: set[File] = set()
        ahead = list(edges.get(start, ()))
        while ahead:
            file = ahead.pop()
            if file not in seen:
                seen.add(file)
                ahead += edges.get(file, ())
        return seen

    return {file for file in edges if file in reached(file)}


def of_crate(src: Path) -> dict[File, str]:
    """The text of each file without comments and unit tests, by its path as modules have it."""

    def module(path: Path) -> File:
        parts = path.relative_to(src).with_suffix("").parts
        return tuple(part for part in parts if part not in {"mod", "lib"})

    def code(text: str) -> str:
        lines = text.split("#[cfg(test)]")[0].splitlines()
        return "\n".join(line for line in lines if not line.lstrip().startswith("//"))

    every = src.rglob("*.rs")
    return {module(path): code(path.read_text(encoding="utf-8")) for path in every}


@pytest.mark.parametrize("crate", sorted(path.parent.name for path in ROOT.glob("rust/*/src")))
def test_no_two_files_of_a_crate_import_each_other(crate: str) -> None:
    assert in_circles(imports(of_crate(ROOT / "rust" / crate / "src"))) == set()


def test_a_circle_would_be_seen() -> None:
    a, b, c = ("room", "a"), ("room", "b"), ("c",)
    files = {
        ("room",): "use crate::room::a::A;",
        a: "use super::b::B;\nuse crate::room::Room;",
        b: "use crate::{c::C, d::D};",
        c: "fn f() -> crate::room::a::A {}",
    }
    assert in_circles(imports(files)) == {a, b, c}
    assert in_circles(imports(files | {c: "use crate::room::Room;"})) == set()
