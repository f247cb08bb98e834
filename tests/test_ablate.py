"""What breaks without a step: the command, from naming the steps to a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pgmap
from pgmap import _core, _redundant, _schema, ablate
from pgmap._ablation import Source, sources
from pgmap._ablation_files import FILES
from pgmap._ablation_memory import MEMORY
from pgmap._ablation_programs import PROGRAMS
from pgmap._ablation_threads import THREADS
from pgmap._exit import Exit

MISSED = "wake_up_one-slot@dax_unlock_entry"
BARRIER = "smp_mb_after_atomic@try_grab_folio_fast"
TWO = """
file f 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 w 0 0
"""
QUICK = ("--no-hunt", "--schedules", "100", "--preemptions", "1", "--progress", "none")


def ran(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = ablate.main([*args, "--json", "-"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    command = ablate.Ablate()
    jsonschema.validate(told, _schema.of_command(command.name, command.about, command.objects))
    return code, told


def test_a_step_that_is_missed_is_told_with_a_token_that_runs_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = ran(capsys, MISSED, *QUICK)
    assert code == Exit.OK
    (row,) = told["rows"]
    assert (row["outcome"], row["invariant"], row["preemptions"]) == ("broken", "L4", 1)
    replayed = pgmap.replay(row["token"])
    assert replayed.outcome == "reproduced"
    assert replayed.setting.without == (MISSED,)


def test_a_step_that_nothing_misses_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = ran(capsys, BARRIER, *QUICK)
    (row,) = told["rows"]
    assert (row["outcome"], row["token"]) == ("nothing", None)
    assert row["programs"] > 0
    assert row["schedules"] > 0


def test_steps_that_were_not_tried_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, told = ran(capsys, BARRIER, *QUICK)
    names = [fact["name"] for fact in _core.protocol_steps()["steps"]]
    assert told["untried"] == [name for name in names if name != BARRIER]
    kept = str(tmp_path / "rows.jsonl")
    assert ablate.main([BARRIER, *QUICK, "--page", "--resume", kept]) == Exit.OK
    page = capsys.readouterr().out
    untried = page.split("## Steps that were not tried")[1].split("## ")[0]
    assert f"{len(names) - 1} of {len(names)}" in untried
    assert f"`{MISSED}`" in untried
    assert f"`{BARRIER}`" not in untried


def test_rows_that_are_kept_are_not_searched_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = str(tmp_path / "rows.jsonl")
    _, first = ran(capsys, MISSED, *QUICK, "--resume", kept)
    text = Path(kept).read_text()
    _, second = ran(capsys, MISSED, *QUICK, "--resume", kept)
    assert first["rows"] == second["rows"], "to the very seconds"
    assert Path(kept).read_text() == text
    # What was cut short in the middle of a line is searched anew.
    Path(kept).write_text(text[:-9])
    _, third = ran(capsys, MISSED, *QUICK, "--resume", kept)
    assert third["rows"][0]["token"] == first["rows"][0]["token"]
    code, other = ran(capsys, MISSED, "--no-hunt", "--schedules", "99", "--resume", kept)
    assert code == Exit.USAGE
    assert "another search" in other["error"]["message"]


def test_the_steps_are_listed_by_function(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = ran(capsys, "--list", "--function", "dax_unlock_entry")
    names = [fact["name"] for fact in told["protocol"]["steps"]]
    assert MISSED in names
    assert all(name.endswith("@dax_unlock_entry") for name in names)
    code, told = ran(capsys, "--list", "--function", "dax_unlock_entri")
    assert code == Exit.USAGE
    assert "dax_unlock_entry" in told["error"]["message"]


def test_explore_leaves_a_step_out_and_names_it() -> None:
    verdict = pgmap.explore(TWO, without=[MISSED], preemptions=1, strategy="bounds")
    assert isinstance(verdict, pgmap.Found)
    assert verdict.finding.invariant == "L4"
    assert verdict.setting.without == (MISSED,)
    whole = pgmap.explore(TWO, preemptions=1, strategy="bounds")
    assert isinstance(whole, pgmap.Exhausted)
    assert whole.setting.without == ()


def test_an_unknown_step_is_told_with_the_nearest() -> None:
    with pytest.raises(pgmap.PgmapError, match=MISSED):
        pgmap.explore(TWO, without=["wake_up-slot@dax_unlock_entry"])
    with pytest.raises(TypeError, match="list of steps"):
        pgmap.explore(TWO, without=MISSED)


WRITTEN = [it for it in sources(_core) if it.name in PROGRAMS | THREADS | MEMORY | FILES]


@pytest.mark.parametrize("source", WRITTEN, ids=lambda source: source.name)
def test_nothing_breaks_a_program_while_all_steps_are_there(source: Source) -> None:
    verdict = pgmap.explore(
        source.program,
        rules=dict(source.rules),
        memory=source.memory,
        speculative_tlb=source.speculative_tlb,
        preemptions=1,
        schedules=300,
        strategy="bounds",
    )
    assert not isinstance(verdict, pgmap.Found), verdict


def test_what_is_explained_is_a_step() -> None:
    steps = {fact["name"] for fact in _core.protocol_steps()["steps"]}
    assert set(_redundant.REDUNDANT) <= steps
