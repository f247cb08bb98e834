"""Planting mistakes: lists that fit, switches that keep a program what it was, fates told right."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

import children
from mutants import lists, switches
from mutants.__main__ import Jury, judged
from mutants.lists import BadList, Mutant
from mutants.suites import BINDINGS, End, Suite
from mutants.tree import Tree
from mutants.verdicts import Fate, Score, Verdict

HERE = Path(__file__).parent

# Comments and strings with braces and quotes, a constant function, one inside another.
RUST = """\
//! fn in_a_comment() { }
pub fn larger(a: u32, b: u32) -> u32 {
    // A { that is none, and an "unfinished string.
    let _ = ('{', "} fn no() {", r#"" }"#, b'\\'');
    fn inner(a: u32) -> u32 { a + 1 }
    if a > b { inner(a) - 1 } else { b }
}
pub const fn four() -> u32 { 4 }
pub trait Shape<'a> { fn area(&'a self, _: [u8; 2]) -> u32; fn sides(&self) -> u32 { 4 } }
"""


def mutant(find: str, put: str, file: str = "rust/toy/src/lib.rs", name: str = "it") -> Mutant:
    return Mutant(name, "toy", file, find, put, "an example", None)


def test_the_bodies_of_functions_are_found_in_spite_of_comments_and_strings() -> None:
    texts = [RUST[body.start : body.end].strip() for body in switches.bodies(RUST)]
    assert [text[:7] for text in texts] == ["// A { ", "a + 1", "4"]
    assert texts[0].endswith("else { b }")


def test_a_body_has_a_copy_for_each_mutant_and_itself_last() -> None:
    planted = {1: mutant("a > b", "a < b"), 3: mutant("a + 1", "a + 2")}
    text, copies = switches.switched(RUST, planted)
    first = text.index("if ::pgmap_planted::planted(1) {")
    second = text.index("} else if ::pgmap_planted::planted(3) {")
    last = text.index("} else {\n    // A")
    assert first < second < last
    assert "a < b" in text[first:second]
    assert "a > b" in text[second:last]
    assert "a + 2" in text[second:last]
    assert "a > b" in text[last:]
    assert "a + 1" in text[last:]
    assert text.endswith(RUST[RUST.index("pub const fn four") :])
    line = text[: text.index("a + 2")].count("\n") + 1
    assert switches.blamed(copies, line) == {planted[3]}
    line = text[:last].count("\n") + 3
    assert switches.blamed(copies, line) == set(planted.values())
    assert switches.blamed(copies, 1) == set()


def test_what_must_be_constant_has_no_switch() -> None:
    assert switches.body_of(mutant("{ 4 }\npub trait", "{ 5 }\npub trait"), RUST) is None
    assert switches.body_of(mutant("fn area", "fn volume"), RUST) is None


ROW = """
[[mutant]]
id = "a"
file = "f.rs"
find = "one"
with = "two"
why = "because"
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ROW + ROW, "two mutants are called a"),
        (ROW.replace("why", "whynot"), "why, whynot"),
        (ROW.replace('"two"', "2"), "a value that is no text"),
        (ROW.replace('"two"', '"one"'), "changes nothing"),
        ("mutant = [", "end of document"),
        ("", "mutant"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    path.write_text(text)
    with pytest.raises(BadList, match=sentence):
        lists.load(path)


def test_a_text_that_moved_or_is_not_alone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    path.write_text(ROW)
    planted = lists.load(path)
    for text in ("nothing", "one and one"):
        (tmp_path / "f.rs").write_text(text)
        (sentence,) = lists.moved(planted, tmp_path).values()
        assert sentence == f"a: its text is in f.rs {text.count('one')} times, not once"
    (tmp_path / "f.rs").write_text("only one")
    assert lists.moved(planted, tmp_path) == {}
    assert planted[0].applied("only one") == "only two"


def test_the_lists_of_the_house_can_be_read() -> None:
    for path in sorted((HERE / "mutants").glob("*.toml")):
        planted = lists.load(path)
        assert planted, path
        assert all((HERE.parent / mutant.file).is_file() for mutant in planted), path


def test_only_what_can_be_caught_counts() -> None:
    it = mutant("a", "b")
    fates = [Fate.CAUGHT, Fate.HUNG, Fate.CAUGHT, Fate.SURVIVED, Fate.EQUIVALENT, Fate.NOT_BUILT]
    score = Score.of([Verdict(it, fate) for fate in fates])
    assert score == Score(caught=3, killable=4, equivalent=1)
    assert str(score) == "3 of 4 caught (75.0 %), 1 equivalent"


TOY = {
    "Cargo.toml": """
        [workspace]
        resolver = "3"
        members = ["rust/*"]
    """,
    ".gitignore": "/target/\nCargo.lock\n__pycache__/\n",
    "rust/toy/Cargo.toml": """
        [package]
        name = "toy"
        edition = "2024"

        [dependencies]
    """,
    "rust/toy/src/lib.rs": """
        pub fn larger(a: u32, b: u32) -> u32 {
            if a > b { a } else { b }
        }
        pub fn countdown(mut from: u32) -> u32 {
            while from > 0 { from -= 1; }
            from
        }
        pub const FOUR: u32 = 4;
        pub fn unwatched() -> u32 { 7 }
    """,
    "rust/toy/tests/all.rs": """
        #[test]
        fn the_larger_one() { assert_eq!((toy::larger(1, 2), toy::larger(2, 1)), (2, 2)); }
        #[test]
        fn four() { assert_eq!(toy::FOUR, 4); }
        #[test]
        fn down() { assert_eq!(toy::countdown(2), 0); }
    """,
    "python/toy.py": "def half(n):\n    return n // 2\n\n\ndef unwatched():\n    return 1\n",
    "tests/test_toy.py": "from toy import half\n\n\ndef test_half():\n    assert half(5) == 2\n",
}


@pytest.mark.slow
def test_each_mutant_of_a_small_tree_meets_its_fate(tmp_path: Path) -> None:
    for name, text in TOY.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    children.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    planted = {
        mutant("a > b", "a < b", name="caught"): Fate.CAUGHT,
        mutant("a > b", "a >= b", name="no difference"): Fate.SURVIVED,
        mutant("{ 7 }", "{ 8 }", name="unwatched"): Fate.SURVIVED,
        mutant("{ a }", '{ "a" }', name="another type"): Fate.NOT_BUILT,
        mutant("FOUR: u32 = 4", "FOUR: u32 = 5", name="constant"): Fate.CAUGHT,
        mutant("n // 2", "n / 2", "python/toy.py", "half"): Fate.CAUGHT,
        mutant("return 1", "return 2", "python/toy.py", "python unwatched"): Fate.SURVIVED,
    }
    verdicts = judged(tmp_path, list(planted), float("inf"), 2)
    assert {verdict.mutant: verdict.fate for verdict in verdicts} == planted
    told = {verdict.mutant.id: (verdict.suite, verdict.told) for verdict in verdicts}
    assert told["caught"] == ("toy all", "the_larger_one")
    assert told["half"][0] == "pytest test_toy.py"
    tree = tmp_path / "target" / "mutants" / "tree"
    assert (tree / "python" / "toy.py").read_text() == TOY["python/toy.py"], "taken back"


def test_a_suite_that_does_not_end_hangs_and_one_that_fails_without_a_mutant_judges_none(
    tmp_path: Path,
) -> None:
    tree = Tree(tmp_path, tmp_path, Path(sys.executable))

    def suite(name: str, program: str) -> Suite:
        return Suite(name, BINDINGS, (sys.executable, "-c", program), tmp_path)

    endless = suite("endless", "while True: pass")
    assert endless.run(tree, 1, 0.5).end is End.HUNG
    failing = suite("failing", "import sys; sys.exit(1)")
    planted_one = "import os, sys; sys.exit(os.environ['PGMAP_PLANTED'] == '1')"
    watching = suite("watching", planted_one)

    class Near:
        all = (failing, watching)

        def near(self, _: Mutant, __: dict[str, float]) -> list[Suite]:
            return [failing, watching]

    it, other = mutant("a", "b"), mutant("a", "c")
    tree.numbers = {it: 1, other: 2}
    jury = Jury(tree, Near(), {})  # type: ignore[arg-type]
    assert (jury.judge(it).fate, jury.judge(it).suite) == (Fate.CAUGHT, "watching")
    assert jury.judge(other).fate is Fate.SURVIVED
    assert jury.tried == {"failing": None, "watching": watching}


def test_tests_that_fail_without_a_mutant_are_left_out_and_the_others_judge(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--skip=broken*) ;; *) echo "test broken ... FAILED"; exit 101;; esac\n'
        '[ "$PGMAP_PLANTED" = 0 ] || { echo "test sound ... FAILED"; exit 101; }\n'
    )
    program.chmod(0o755)
    suite = Suite("all", "toy", (str(program),), tmp_path)
    tree = Tree(tmp_path, tmp_path, Path(sys.executable))

    class Near:
        all = (suite,)

        def near(self, _: Mutant, __: dict[str, float]) -> list[Suite]:
            return [suite]

    it = mutant("a", "b")
    tree.numbers = {it: 1}
    verdict = Jury(tree, Near(), {}).judge(it)  # type: ignore[arg-type]
    assert (verdict.fate, verdict.told) == (Fate.CAUGHT, "sound")
