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


USE = re.compile(r"\buse (?P<tree>(?:crate|super)::[^;]+);")
PATH = re.compile(r"\b(?:crate|super)(?:::[a-z_0-9]+)+")
File = tuple[str, ...]


def expanded(tree: str) -> Iterator[str]:
    """The paths of ``a::{b, c::{d, E}}``: ``a::b``, ``a::c::d``, ``a::c::E``."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield tree.strip()
        return
    depth, start = 0, 0
    inner = rest[: rest.rindex("}")]
    for at, letter in enumerate(inner + ","):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            for path in expanded(inner[start:at].strip()):
                yield head.strip() + path
            start = at + 1


def imports(files: dict[File, str]) -> dict[File, set[File]]:
    """Which files each one names, but for a folder's own file and those in its folder."""
    found: dict[File, set[File]] = {}
    for me, text in files.items():
        trees = (path for use in USE.finditer(text) for path in expanded(use["tree"]))
        for path in [*trees, *PATH.findall(USE.sub("", text))]:
            root, *parts = path.split("::")
            base = [] if root == "crate" else list(me[:-1])
            full = tuple(base + parts)
            there = next((full[:n] for n in range(len(full), 0, -1) if full[:n] in files), me)
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
        b: "use crate::{\n    d::{self, D},\n    c::C,\n};",
        c: "fn f() -> crate::room::a::A {}",
    }
    assert in_circles(imports(files)) == {a, b, c}
    assert in_circles(imports(files | {c: "use crate::room::Room;"})) == set()
