"""`python -m pgmap.conform`, with a core that only answers."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest

from fake_core import FakeCore
from fake_reports import conformance
from pgmap import errors
from pgmap._core_reports import Conformance
from pgmap._exit import Exit
from pgmap.conform import Conform
from ran import Ran, Runner

DIFFERENT = conformance(
    equal=False,
    difference={
        "step": 9,
        "op": "w1 ftruncate 0 0",
        "rows": [
            {"what": "page 3 ref", "recorded": "1", "model": "0"},
            {"what": "ret", "recorded": "blocked", "model": "blocked"},
        ],
        "context": ["8 w0 vmsplice 0 0 3 1"],
    },
)
OUTCOMES: dict[str, Conformance | BaseException] = {
    "equal": conformance(),
    "different": DIFFERENT,
    "unsupported": conformance(equal=False, unsupported=["step 4: reflink"], compared=0),
    "both": {**DIFFERENT, "unsupported": ["step 10: reflink"]},
    "empty": conformance(compared=0),
    "bad": errors.RecordingError("unknown key 'reff' in step 3"),
    "line": errors.ProgramError(7, "no file 'g'"),
    "hang": errors.HangDetected("stuck", ["w1"], ["w0"]),
    "panic": errors.InternalError("index 9 of 4"),
}


@pytest.fixture
def compare(run: Runner, tmp_path: Path) -> Runner:
    def compare(*names: str, options: tuple[str, ...] = ()) -> Ran:
        for name in names:
            (tmp_path / f"{name}.json").write_text(name)
        paths = [str(tmp_path / f"{name}.json") for name in names]
        return run(Conform(), *options, *paths, core=FakeCore(recordings=dict(OUTCOMES)))

    return compare


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["equal"], Exit.OK),
        (["different"], Exit.FOUND),
        (["unsupported"], Exit.UNSUPPORTED),
        (["both"], Exit.FOUND),
        (["bad"], Exit.USAGE),
        (["line"], Exit.USAGE),
        (["empty"], Exit.NOTHING_RAN),
        (["hang"], Exit.HANG),
        (["panic"], Exit.INTERNAL),
        (["equal", "unsupported"], Exit.UNSUPPORTED),
        (["unsupported", "bad"], Exit.USAGE),
        (["different", "bad", "equal", "unsupported"], Exit.FOUND),
        (["panic", "different"], Exit.INTERNAL),
    ],
)
def test_the_most_serious_file_decides(names: list[str], code: Exit, compare: Runner) -> None:
    assert compare(*names).exit is code


def test_every_file_is_reported_whatever_the_others_are(compare: Runner) -> None:
    ran = compare("bad", "panic", "equal", "different")
    for name in ("bad", "panic", "equal", "different"):
        assert f"{name}.json: " in ran.stdout
    assert ran.lines[-1] == "Result: 1 equal, 1 different, 1 bad, 1 internal of 4 recordings"


def test_a_difference_is_shown_side_by_side(compare: Runner) -> None:
    lines = compare("different").lines
    assert "  first difference at step 9: w1 ftruncate 0 0" in lines
    assert "    8 w0 vmsplice 0 0 3 1" in lines
    assert "              recorded  model" in [line.rstrip() for line in lines]
    assert "  page 3 ref  1         0        <- differs" in lines
    assert "  ret         blocked   blocked" in lines


def test_what_is_not_supported_is_said(compare: Runner) -> None:
    assert "  not supported yet: step 4: reflink" in compare("unsupported").lines


def test_a_bad_file_says_what_is_bad(compare: Runner) -> None:
    assert "unknown key 'reff' in step 3" in compare("bad").stdout
    assert "line 7: no file 'g'" in compare("line").stdout


def test_an_unknown_era_is_a_usage_error(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("a")
    core = FakeCore(recordings={"a": errors.EraError("no era 'v9'")})
    ran = run(Conform(), "--era", "v9", str(path), core=core)
    assert ran.exit is Exit.USAGE
    assert core.asked == [("a", "v9")]


def test_missing_and_binary_files_are_bad_files(run: Runner, tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    ran = run(Conform(), str(tmp_path / "missing.json"), str(binary))
    assert ran.exit is Exit.USAGE
    assert "No such file or directory" in ran.stdout
    assert "not UTF-8 text" in ran.stdout


def test_a_folder_stands_for_its_recordings(run: Runner, tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(name)
    (tmp_path / "README.md").write_text("not a recording")
    core = FakeCore(recordings={"a": conformance(), "b": conformance()})
    assert run(Conform(), str(tmp_path), core=core).exit is Exit.OK
    assert core.asked == [("a", None), ("b", None)]


def test_a_folder_stands_for_the_folders_below_it_too(run: Runner, tmp_path: Path) -> None:
    for name in ("6.16/ext4/b", "6.18/c", "a"):
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.stem)
    core = FakeCore(recordings={name: conformance() for name in "abc"})
    assert run(Conform(), str(tmp_path), core=core).exit is Exit.OK
    assert sorted(text for text, _ in core.asked) == ["a", "b", "c"]


@pytest.mark.parametrize("piped", [False, True])
def test_a_byte_order_mark_is_none_of_the_text(
    piped: bool, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = b"\xef\xbb\xbfcaf\xc3\xa9"
    (tmp_path / "a.json").write_bytes(raw)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="ascii"))
    core = FakeCore(recordings={"caf\u00e9": conformance()})
    name = "-" if piped else str(tmp_path / "a.json")
    assert run(Conform(), name, core=core).exit is Exit.OK


def test_an_empty_folder_is_a_usage_error(run: Runner, tmp_path: Path) -> None:
    assert run(Conform(), str(tmp_path)).exit is Exit.USAGE


def test_a_dash_reads_standard_input(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"piped"), encoding="ascii"))
    core = FakeCore(recordings={"piped": conformance()})
    assert run(Conform(), "-", core=core).exit is Exit.OK


def test_an_interrupt_keeps_what_was_compared(run: Runner, tmp_path: Path) -> None:
    class Interrupted(FakeCore):
        def conform(self, text: str, era: str | None) -> Conformance:
            signal.raise_signal(signal.SIGINT)
            return super().conform(text, era)

    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(name)
    core = Interrupted(recordings={"a": conformance(), "b": conformance()})
    ran = run(Conform(), "--json", "-", str(tmp_path), core=core)
    assert ran.exit is Exit.INTERRUPTED
    assert ran.json["complete"] is False
    assert len(ran.json["files"]) == 1
    assert "Result: 1 equal, 1 not reached of 2 recordings" in ran.stderr


def test_json_carries_each_comparison(compare: Runner) -> None:
    files = compare("equal", "bad", options=("--json", "-")).json["files"]
    assert [file["exit"] for file in files] == [Exit.OK, Exit.USAGE]
    assert files[0]["compared"] == 180
    assert files[1]["error"]["kind"] == "RecordingError"
