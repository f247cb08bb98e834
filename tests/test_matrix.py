"""``races matrix``: every race's program under every era."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from pgmap import _core, _matrix, _matrix_plot, _schema, races
from pgmap._exit import Exit
from pgmap.errors import PgmapError

REFAULT = ("v6.15", "v6.19", "v7.2", "alloc-folios", "inode-ref")
"""Eras whose truncate is never told of a page that was faulted in again."""
OTHERWISE = {"request-release": "I12/1"}
"""Eras in which the same program meets another race of theirs first."""
ERAS = [era["name"] for era in _core.facts()["eras"]]


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = races.main(["matrix", *words, "--progress", "none", "--json", "-"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    command = races.Races()
    jsonschema.validate(told, _schema.of_command(command.name, command.about, command.objects))
    return code, told


def test_a_race_breaks_in_the_eras_that_have_it_and_in_no_sound_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = ran(capsys, "B33", "evict-wait")
    assert code == Exit.OK
    refault, evict = told["matrix"]
    assert [cell["era"] for cell in refault["cells"]] == told["eras"] == ERAS
    broken = {cell["era"]: _matrix.text_of(cell) for cell in refault["cells"] if cell["token"]}
    assert broken == {**dict.fromkeys(REFAULT, "L2/0"), **OTHERWISE}
    broken = {cell["era"]: _matrix.text_of(cell) for cell in evict["cells"] if cell["token"]}
    shipped = dict.fromkeys(("v5.17", "v5.18", "v6.1", "v6.12"), "I18/0")
    assert broken == {**shipped, **OTHERWISE}
    others = [cell["ends"] for cell in refault["cells"] if cell["token"] is None]
    assert set(others) == {_matrix.HOLDS}


def test_a_cell_has_a_token_that_fails_again(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = ran(capsys, "B33")
    (row,) = told["matrix"]
    tokens = [cell["token"] for cell in row["cells"] if cell["token"] is not None]
    assert [_core.replay(token)["outcome"] for token in tokens] == ["reproduced"] * len(
        [*REFAULT, *OTHERWISE]
    )


def test_a_page_has_a_row_for_each_race_and_no_empty_cell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert races.main(["matrix", "B33", "zap-put", "--page", "--progress", "none"]) == Exit.OK
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| race", "| idle-pred", "| zap-put"]
    assert all(len(row.strip("|").split("|")) == len(ERAS) + 1 for row in rows)
    assert not any(cell.strip() == "" for row in rows for cell in row.strip("|").split("|"))


def test_the_page_in_docs_has_every_race_and_says_what_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "matrix.md").read_text().splitlines()
    known = [race["name"] for race in _core.catalogue()["known"]]
    assert [row.split(" | ")[0].strip("| ") for row in page if row.startswith("| ")][1:] == known
    assert races.main(["matrix", "B33", "zap-put", "--page", "--progress", "none"]) == Exit.OK
    assert set(capsys.readouterr().out.splitlines()) <= set(page)


def test_what_an_era_cannot_run_is_said_with_the_reason() -> None:
    def refuse(_: object) -> object:
        raise PgmapError("this era has no such thing")

    race = _core.catalogue()["known"][0]
    core: Any = SimpleNamespace(explore_start=refuse)
    nobody: Any = SimpleNamespace(stopped_by=None)
    told = _matrix.search(race, ERAS[0], 0, core, nobody, nobody)
    assert told is not None
    assert (_matrix.text_of(told), told["why"]) == ("-", "this era has no such thing")


def test_a_row_is_whole_or_not_there() -> None:
    race = _core.catalogue()["known"][0]
    stopped: Any = SimpleNamespace(stopped_by="SIGINT")
    nothing: Any = None
    assert _matrix.row_of(race, ERAS, 0, nothing, stopped, nothing) is None


@pytest.mark.parametrize("word", ["--page", "--plot=matrix.svg"])
def test_a_page_and_a_picture_are_of_the_matrix(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert races.main(["list", word]) == Exit.USAGE
    assert f"{word[:6]} is for the matrix" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_has_every_race_every_era_and_what_breaks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"matrix.{suffix}"
    code, _ = ran(capsys, "B33", "free-push", "--plot", str(path))
    assert code == Exit.OK
    assert path.stat().st_size > 1000
    if suffix == "svg":
        text = path.read_text()
        words = ["idle-pred", "free-push", *ERAS, "L2", "I09"]
        assert [word for word in words if f"<!-- {word} -->" not in text] == []


def test_the_fewer_preemptions_the_darker_and_what_holds_is_empty() -> None:
    told = _matrix.cell("v6.15", "I18", why=None)
    shades = [_matrix_plot.shade({**told, "preemptions": bound}) for bound in (0, 1, 2, 9)]
    assert shades == [*_matrix_plot.SHADES, _matrix_plot.SHADES[-1]]
    assert _matrix_plot.shade(_matrix.cell("v6.15", _matrix.HOLDS, why=None)) is None
    for ends in (_matrix.UNCLEAR, _matrix.REFUSED):
        assert _matrix_plot.shade(_matrix.cell("v6.15", ends, why=None)) == _matrix_plot.UNTOLD


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_searched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert races.main(["matrix", "B33", "--plot", "matrix.pdf"]) == Exit.USAGE
    assert "ends in .svg or .png" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_loses_no_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "nowhere" / "matrix.svg")
    code = races.main(["matrix", "B33", "--plot", path, "--progress", "none", "--json", "-"])
    caught = capsys.readouterr()
    assert code == Exit.OK
    assert len(json.loads(caught.out)["matrix"]) == 1
    assert "no picture in" in caught.err
