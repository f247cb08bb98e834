"""`python -m pgmap.bench`, with a core that only answers."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fake_core import FakeBench, FakeCore
from fake_reports import PROCESSOR, bench_report, bench_row, null_row
from pgmap import _plotted
from pgmap._core_reports import BenchRow
from pgmap._exit import Exit
from pgmap._judge import Judgement, judge
from pgmap.bench import Bench, nop_row, warnings_in_words
from ran import Runner


def core_with(*rows: BenchRow, **environment: Any) -> FakeCore:
    return FakeCore(bench=FakeBench(bench_report(*rows, **environment)))


def spread(ratios: Sequence[float]) -> dict[str, Any]:
    """Ratio and quartiles of some rounds."""
    low, middle, high = statistics.quantiles(ratios, method="inclusive")
    return {"ratio": middle, "spread": (low, high), "rounds": len(ratios)}


def rounds_of(*stretches: tuple[int, float]) -> list[float]:
    """Made-up rounds: so many around this ratio, a per cent up and down, then the next stretch."""
    return [ratio * (1 + (at % 5 - 2) / 200) for count, ratio in stretches for at in range(count)]


QUIET_NULL = {"cpu": PROCESSOR, "nulls": [null_row(spread=(0.995, 1.005))]}


def null_of(ratios: Sequence[float]) -> dict[str, Any]:
    found = spread(ratios)
    return {"cpu": PROCESSOR, "nulls": [null_row(found["ratio"], found["spread"])]}


@pytest.mark.parametrize(
    ("ratios", "told"),
    [
        (rounds_of((40, 1.05)), Judgement.KEPT),
        (rounds_of((40, 1.21)), Judgement.MISSED),
        # A neighbour came and went: half of the rounds are slow, or one in three.
        (rounds_of((20, 1.05), (20, 1.6)), Judgement.NOISY),
        (rounds_of((26, 1.05), (14, 1.6)), Judgement.NOISY),
        (rounds_of((14, 1.05), (26, 1.6)), Judgement.NOISY),
        # A few outliers are no noise, in either direction.
        (rounds_of((36, 1.05), (4, 90.0)), Judgement.KEPT),
        (rounds_of((4, 0.2), (36, 1.21)), Judgement.MISSED),
        # Seven times its limit is clear, however it swings.
        (rounds_of((15, 5.8), (15, 7.3), (10, 29.0)), Judgement.MISSED),
    ],
)
def test_a_limit_between_the_quartiles_is_neither_kept_nor_missed(
    ratios: list[float], told: Judgement
) -> None:
    assert judge(bench_row(**spread(ratios), limit=1.1), QUIET_NULL) is told


@pytest.mark.parametrize(
    ("ratios", "told"),
    [
        (rounds_of((40, 0.97)), Judgement.KEPT),
        (rounds_of((40, 0.5)), Judgement.MISSED),
        (rounds_of((20, 0.97), (20, 0.5)), Judgement.NOISY),
    ],
)
def test_a_gain_is_judged_from_the_other_side(ratios: list[float], told: Judgement) -> None:
    row = bench_row(**spread(ratios), limit=0.92, sense="at least")
    assert judge(row, QUIET_NULL) is told


def test_the_null_row_decides_whether_anything_can_be_judged() -> None:
    good, bad = (bench_row(**spread(rounds_of((40, ratio))), limit=1.1) for ratio in (1.0, 1.3))
    steady = null_of(rounds_of((40, 1.0)))
    assert [judge(row, steady) for row in (good, bad)] == [Judgement.KEPT, Judgement.MISSED]
    crooked = null_of(rounds_of((40, 1.2)))
    assert {judge(row, crooked) for row in (good, bad)} == {Judgement.NOISY}
    # The same median, but equal loops differ by half in a quarter of the rounds: so may any two.
    swinging = null_of(rounds_of((12, 0.6), (16, 1.0), (12, 1.5)))
    assert {judge(row, swinging) for row in (good, bad)} == {Judgement.NOISY}
    clear = bench_row(**spread(rounds_of((40, 7.4))), limit=2.5)
    assert judge(clear, swinging) is Judgement.MISSED
    assert judge(good, {"cpu": PROCESSOR}) is Judgement.NOISY


def test_a_limit_of_another_processor_is_not_judged(run: Runner) -> None:
    row = bench_row(ratio=7.37, spread=(7.3, 7.4), limit=None)
    ran = run(Bench(), core=core_with(row))
    assert ran.exit is Exit.OK
    (line,) = [line for line in ran.lines if line.startswith("try_get+put")]
    assert "7.37x" in line
    assert line.endswith("no limit set for this processor")
    assert "<=" not in line
    assert ran.lines[-1].endswith("0 missed their limit, 1 without a limit for this processor")


def test_noise_is_told_and_is_no_missed_limit(run: Runner) -> None:
    noisy, kept = bench_row(ratio=1.12, spread=(1.05, 1.6)), bench_row(name="other")
    ran = run(Bench(), core=core_with(noisy, kept))
    assert ran.exit is Exit.OK
    assert [line.endswith("  noisy") for line in ran.lines[-3:-1]] == [True, False]
    assert ran.lines[-1] == "Result: 2 rows, 0 missed their limit, 1 too noisy to judge"
    told = run(Bench(), "--json", "-", core=core_with(noisy, kept)).json["rows"]
    assert [row["judgement"] for row in told] == ["noisy", "kept"]


def test_limits_of_which_none_could_be_judged_are_no_verdict(run: Runner) -> None:
    noisy = bench_row(ratio=1.12, spread=(1.05, 1.6))
    assert run(Bench(), core=core_with(noisy)).exit is Exit.INCONCLUSIVE
    assert (
        run(Bench(), core=core_with(bench_row(), nulls=[null_row(1.2)])).exit is Exit.INCONCLUSIVE
    )


def test_a_missed_limit_beside_noise_is_still_told(run: Runner) -> None:
    noisy, bad = (bench_row(spread=(1.05, 1.6)), bench_row(ratio=1.21, spread=(1.19, 1.23)))
    assert run(Bench(), core=core_with(noisy, bad)).exit is Exit.FOUND


def test_a_row_shows_ratio_spread_limit_and_floor(run: Runner) -> None:
    ran = run(Bench(), "core")
    assert ran.exit is Exit.OK
    (row,) = [line for line in ran.lines if line.startswith("try_get+put")]
    for part in ("1.05x", "1.03..1.07", "<= 1.1", "CAS + locked decrement"):
        assert part in row


def test_a_missed_limit_is_exit_1_and_says_by_how_much(run: Runner) -> None:
    ran = run(Bench(), core=core_with(bench_row(ratio=1.21, spread=(1.2, 1.22)), bench_row()))
    assert ran.exit is Exit.FOUND
    assert "MISSED by 10%" in ran.stdout
    assert ran.lines[-1] == "Result: 2 rows, 1 missed their limit"


def test_a_limit_can_be_a_lower_one(run: Runner) -> None:
    row = bench_row(name="two threads", ratio=0.95, limit=0.92, sense="at least")
    assert ">= 0.92" in run(Bench(), core=core_with(row)).stdout


def test_no_rows_is_nothing_measured(run: Runner) -> None:
    assert run(Bench(), "--only", "nonsense", core=core_with()).exit is Exit.NOTHING_RAN


def test_the_core_is_told_what_to_measure(run: Runner) -> None:
    core = FakeCore()
    run(Bench(), "--only", "try_get", "--only", "gup", "--for", "3s", core=core)
    assert core.asked == [{"suite": "core", "seconds": 3.0, "only": ["try_get", "gup"]}]


def test_json_carries_rows_and_the_machine(run: Runner) -> None:
    answer = run(Bench(), "--json", "-").json
    assert answer["rows"][0]["name"] == "try_get+put"
    assert answer["cpus"] >= 1
    assert answer["build"]["debug_assertions"] is False


def test_a_debug_build_is_called_one() -> None:
    assert any("debug" in words for words in warnings_in_words({"debug_assertions": True}))


def test_a_no_op_is_compared_with_a_builtin_in_rounds() -> None:
    row = nop_row(lambda: None, "some processor", rounds=15)
    assert row["rounds"] == len(row["raw"]) == 15
    assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
    assert row["sure"][0] <= row["ratio"] <= row["sure"][1]
    assert row["floor"] == "len([])"
    assert row["limit"] is None
    (processor,) = row["set_on"]
    assert nop_row(lambda: None, processor, rounds=15)["limit"] == row["set_on"][processor]


def test_a_limit_that_bare_calls_cannot_keep_either_is_a_caution(run: Runner) -> None:
    def cautions(bare: float, limit: float | None = 0.25) -> list[str]:
        row = bench_row(name="percpu_ref get+put, called", limit=limit)
        core = core_with(row, bare_calls_ratio=bare)
        answer = run(Bench(), "--json", "-", core=core)
        return [words for words in answer.json["cautions"] if "only add" in words]

    assert len(cautions(0.55)) == 1
    assert cautions(0.2) == []
    assert cautions(0.55, limit=None) == []


def test_rounds_are_kept_on_request_only(run: Runner) -> None:
    def core() -> FakeCore:
        return core_with(bench_row(raw=[(2.0, 1.0)]))

    assert "raw" not in run(Bench(), "--json", "-", core=core()).json["rows"][0]
    assert run(Bench(), "--raw", "--json", "-", core=core()).json["rows"][0]["raw"] == [[2.0, 1.0]]


def test_a_crooked_null_row_and_a_row_left_out_are_cautions(run: Runner) -> None:
    core = core_with(
        bench_row(), nulls=[null_row(1.2)], left_out=[("pairs", "needs two processors")]
    )
    answer = run(Bench(), "--json", "-", core=core).json
    assert any("differ by 20.0%" in words for words in answer["cautions"])
    assert any("pairs was left out" in words for words in answer["cautions"])


def test_schemes_are_compared_and_not_judged(run: Runner) -> None:
    row = bench_row(limit=None, set_on={}, sure=(0.99, 1.02))
    ran = run(Bench(), "refcount", core=core_with(row))
    assert ran.exit is Exit.OK
    assert "Not told apart from the floor: try_get+put" in ran.stdout
    assert "Cannot be told in user space" in ran.stdout
    assert "Model check" not in ran.stdout
    apart = run(Bench(), "refcount", core=core_with(bench_row(limit=None, set_on={})))
    assert "Not told apart" not in apart.stdout


def test_two_equal_loops_that_differ_void_a_comparison(run: Runner) -> None:
    row = bench_row(limit=None, set_on={})
    assert (
        run(Bench(), "refcount", core=core_with(row, nulls=[null_row(1.04)])).exit
        is Exit.INCONCLUSIVE
    )
    assert run(Bench(), "refcount", core=core_with(row, nulls=[null_row(1.02)])).exit is Exit.OK
    # However far rounds lie apart, enough of them are sure of their median; a few are not.
    swings = 0.8, 1.3
    enough = core_with(row, nulls=[null_row(spread=swings)])
    assert run(Bench(), "refcount", core=enough).exit is Exit.OK
    few = run(
        Bench(), "refcount", core=core_with(row, nulls=[null_row(spread=swings, sure=(0.9, 1.1))])
    )
    assert few.exit is Exit.INCONCLUSIVE
    assert "measure for longer" in few.stderr


def test_a_floor_that_differs_from_itself_voids_what_is_measured_against_it_and_no_more(
    run: Runner, tmp_path: Path
) -> None:
    sure = bench_row(name="sure", floor="steady", limit=None, set_on={})
    void = bench_row(name="void", floor="crooked", limit=None, set_on={})
    nulls = [null_row(floor="steady"), null_row(1.4, floor="crooked")]
    ran = run(Bench(), "refcount", "--json", "-", core=core_with(sure, void, nulls=nulls))
    assert ran.exit is Exit.OK
    assert [row["judgement"] for row in ran.json["rows"]] == ["compared", "noisy"]
    assert any("differ by 40.0% here (crooked)" in words for words in ran.json["cautions"])
    # A floor that was not measured against itself is not known to be straight.
    missing = core_with(sure, nulls=[null_row(floor="another")])
    assert run(Bench(), "refcount", core=missing).exit is Exit.INCONCLUSIVE
    both = ({"floor": "steady"}, {"name": "void", "floor": "crooked"})
    quiet = [null_row(floor="steady"), null_row(floor="crooked")]
    old = kept_run(tmp_path, *(around(2.0, **row) for row in both), nulls=quiet)
    now = core_with(*(around(4.0, **row) for row in both), nulls=nulls)
    compared = run(Bench(), "refcount", "--compare", old, core=now)
    assert "Compared: 1 rows, 1 apart" in compared.stdout
    assert "void: not compared" in compared.stdout


def test_the_argument_comes_with_what_the_model_check_says(run: Runner) -> None:
    row = bench_row(limit=None, set_on={})
    ran = run(Bench(), "folio-try-get", core=core_with(row))
    assert "frozen bit  a life ends once: kept" in ran.stdout
    assert "broken, 2 preemptions: destroyed as another" in ran.stdout
    told = run(Bench(), "folio-try-get", "--json", "-", core=core_with(row)).json
    assert [found["verdict"] for found in told["verdicts"]] == ["kept", "broken"]


def test_counts_are_told_of_one_pair_and_nothing_is_measured(run: Runner) -> None:
    core = core_with()
    ran = run(Bench(), "refcount", "--count", core=core)
    assert ran.exit is Exit.OK
    [cas] = [line.split() for line in ran.lines if line.startswith("cas")]
    # Eleven locked instructions of four CPUs, and a line that changes hands twice a pair.
    assert cas == ["cas", "2", "1", "0", "2.75", "2", "2"]
    [floor] = [line.split() for line in ran.lines if line.startswith("plain")]
    assert floor == ["plain", "2", "1", "0"]
    assert core.asked == []
    told = run(Bench(), "refcount", "--count", "--only", "cas", "--json", "-", core=core).json
    assert [count["name"] for count in told["counts"]] == ["cas"]


def test_only_schemes_are_counted(run: Runner) -> None:
    ran = run(Bench(), "core", "--count", core=core_with())
    assert ran.exit is Exit.USAGE
    assert "--count is about refcount" in ran.stderr
    nothing = run(Bench(), "refcount", "--count", "--only", "nonsense", core=core_with())
    assert nothing.exit is Exit.NOTHING_RAN


def kept_run(tmp_path: Path, *rows: BenchRow, **environment: Any) -> str:
    """A run as ``--json`` keeps it."""
    report = bench_report(*rows, **{**QUIET_NULL, **environment})
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"command": "bench", **report}))
    return str(path)


def around(ratio: float, **changes: Any) -> BenchRow:
    spread = (ratio * 0.98, ratio * 1.02)
    return bench_row(limit=None, set_on={}, ratio=ratio, spread=spread, sure=spread, **changes)


@pytest.mark.parametrize(
    ("was", "now", "speed", "code"),
    [
        (2.0, 4.0, "0.50", Exit.FOUND),
        (4.0, 2.0, "2.00", Exit.OK),
        # Surely slower, but not by so much.
        (2.0, 2.2, "0.91", Exit.OK),
    ],
)
def test_a_row_that_is_surely_slower_than_it_was_fails(
    run: Runner, tmp_path: Path, was: float, now: float, speed: str, code: Exit
) -> None:
    old = kept_run(tmp_path, around(was))
    core = core_with(around(now), **QUIET_NULL)
    ran = run(Bench(), "refcount", "--compare", old, "--fail-below", "0.9", core=core)
    assert ran.exit is code
    assert f"{speed} times as fast" in ran.stdout
    assert ("BELOW" in ran.stdout) is (code is Exit.FOUND)
    assert run(Bench(), "refcount", "--compare", old, core=core).exit is Exit.OK


def test_rows_whose_quartiles_meet_have_not_changed(run: Runner, tmp_path: Path) -> None:
    old = kept_run(tmp_path, around(2.0))
    core = core_with(around(2.05), **QUIET_NULL)
    ran = run(Bench(), "refcount", "--compare", old, "--fail-below", "0.99", core=core)
    assert ran.exit is Exit.OK
    assert "Compared: 1 rows, 0 apart" in ran.stdout
    # What two equal loops differ by may be nobody's doing.
    swung = core_with(around(2.2), **{**QUIET_NULL, "nulls": [null_row(spread=(0.95, 1.08))]})
    assert "0 apart" in run(Bench(), "refcount", "--compare", old, core=swung).stdout


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        ({"nulls": [null_row(1.05)]}, {}, "try_get+put: not compared, its floor differed"),
        ({}, {"nulls": [null_row(1.05)]}, "try_get+put: not compared, its floor differed"),
        ({"nulls": []}, {}, "Not compared: the old run has no null rows"),
        ({}, {"nulls": []}, "Not compared: this run has no null rows"),
        ({"cpu": "another"}, {}, "Not compared: the old run is of another processor"),
    ],
)
def test_void_runs_and_other_machines_are_not_compared(
    run: Runner, tmp_path: Path, then: dict[str, Any], now: dict[str, Any], why: str
) -> None:
    old = kept_run(tmp_path, around(2.0), **then)
    core = core_with(around(9.0), **{**QUIET_NULL, **now})
    ran = run(Bench(), "refcount", "--compare", old, "--fail-below", "0.9", core=core)
    assert ran.exit is Exit.INCONCLUSIVE
    assert why in ran.stdout


def test_a_run_that_has_no_row_in_common_is_no_comparison(run: Runner, tmp_path: Path) -> None:
    old = kept_run(tmp_path, bench_row(name="something else"))
    core = core_with(around(2.0), **QUIET_NULL)
    assert run(Bench(), "refcount", "--compare", old, core=core).exit is Exit.NOTHING_RAN


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("refcount", "--fail-below", "0.9"), "--fail-below needs --compare"),
        (("core", "--workload"), "--workload is about refcount"),
        (("core", "--kill", "5"), "--kill is about refcount"),
        (("refcount", "--kill", "0"), "--kill"),
        (("refcount", "--kill", "5", "--count"), "one at a time"),
        (("refcount", "--plot", "picture.pdf"), "ends in .svg or .png"),
        (("refcount", "--compare", "nowhere.json"), "cannot read nowhere.json"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(
    run: Runner, arguments: tuple[str, ...], why: str
) -> None:
    core = core_with()
    ran = run(Bench(), *arguments, core=core)
    assert ran.exit is Exit.USAGE
    assert why in ran.stderr
    assert core.asked == []


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"command": "stress"}'])
def test_only_a_kept_run_is_compared_with(run: Runner, tmp_path: Path, text: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    ran = run(Bench(), "refcount", "--compare", str(path), core=core_with())
    assert ran.exit is Exit.USAGE
    assert str(path) in ran.stderr


def test_workloads_are_a_suite_of_the_core(run: Runner) -> None:
    core = core_with(around(2.0), **QUIET_NULL)
    run(Bench(), "refcount", "--workload", "--only", "zipf", core=core)
    assert [(asked["suite"], asked["only"]) for asked in core.asked] == [
        ("refcount --workload", ["zipf"])
    ]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_has_every_row_and_says_when_it_is_void(
    run: Runner, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"picture.{suffix}"
    another = bench_row(name="another", floor="something else", limit=None, set_on={})
    third = bench_row(name="a third", limit=None, set_on={})
    nulls = [null_row(), null_row(1.2, floor="something else")]
    core = core_with(around(2.0), another, third, **{**QUIET_NULL, "nulls": nulls})
    run(Bench(), "refcount", "--plot", str(path), core=core)
    assert path.stat().st_size > 1000
    if suffix == "svg":
        text = path.read_text()
        assert all(f"<!-- {words}" in text for words in ("try_get+put", "another"))
        assert "<!-- ratio to: something else (NOISY" in text
        assert text.count("(NOISY") == 1
        # Rows of one floor share a panel, wherever they stand in the report.
        assert text.count("<!-- ratio to: ") == 2


def test_without_what_draws_nothing_is_measured(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_plotted, "find_spec", lambda _: None)
    core = core_with()
    ran = run(Bench(), "refcount", "--plot", "picture.svg", core=core)
    assert ran.exit is Exit.USAGE
    assert "pgmap[plot]" in ran.stderr
    assert core.asked == []


def test_a_picture_that_cannot_be_written_loses_no_row(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "picture.svg"
    core = core_with(around(2.0), **QUIET_NULL)
    ran = run(Bench(), "refcount", "--plot", str(path), "--json", "-", core=core)
    assert ran.exit is Exit.OK
    assert len(ran.json["rows"]) == 1
    assert "no picture in" in ran.stderr


def test_kills_are_told_in_percentiles_beside_the_clocks_own(run: Runner) -> None:
    core = core_with()
    ran = run(Bench(), "refcount", "--kill", "7", core=core)
    assert ran.exit is Exit.OK
    [percpu] = [line.split() for line in ran.lines if line.startswith("percpu")]
    assert percpu[1:5] == ["60", "12,345", "20,000", "1,000,000"]
    assert percpu[5] == "11,000"
    # Where there is one processor nobody is busy.
    [closed] = [line.split() for line in ran.lines if line.startswith("closed cells")]
    assert len(closed) == 2 + 4
    assert "reading the clock" in ran.stdout
    told = run(Bench(), "refcount", "--kill", "7", "--json", "-", core=core).json
    assert (told["kills"], told["schemes"][1]["busy"]) == (7, None)


def test_what_an_unmap_may_cost_is_told_where_a_reference_costs_something(run: Runner) -> None:
    rows = [
        bench_row(name=f"{name}, one for {many}", limit=None, set_on={}, ratio=ratio, sure=sure)
        for name, many, ratio, sure in (
            ("atomic add", 1, 4.5, (4.4, 4.6)),
            ("atomic add", 8, 1.5, (1.4, 1.6)),
            ("percpu", 1, 1.01, (0.98, 1.03)),
        )
    ]
    ran = run(Bench(), "pgmap", core=core_with(*rows, **QUIET_NULL))
    assert "  atomic add: 35.0" in ran.lines
    # One that cannot be told from none has no price.
    assert not any(line.startswith("  percpu") for line in ran.lines)
    void = run(Bench(), "pgmap", core=core_with(*rows, **{**QUIET_NULL, "nulls": [null_row(1.1)]}))
    assert "for each unmap" not in void.stdout


def test_bytes_are_told_of_a_page_and_a_pagemap_on_machines_of_three_sizes(run: Runner) -> None:
    core = core_with()
    ran = run(Bench(), "refcount", "--memory", core=core)
    assert ran.exit is Exit.OK
    [word] = [line.split() for line in ran.lines if line.startswith("of 4")]
    assert word[2:] == ["4", "4", "4", "8", "256", "2,048"]
    told = run(Bench(), "refcount", "--memory", "--only", "8192", "--json", "-", core=core).json
    assert [found["scheme"] for found in told["footprints"]] == ["of 8192"]
