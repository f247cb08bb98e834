"""`python -m pgmap.bench`, with a core that only answers."""

from __future__ import annotations

from fake_core import FakeBench, FakeCore, bench_row
from pgmap._core_api import BenchReport, BenchRow
from pgmap._exit import Exit
from pgmap.bench import Bench, nop_row, warnings_in_words
from ran import Runner


def core_with(*rows: BenchRow) -> FakeCore:
    return FakeCore(bench=FakeBench({"rows": list(rows), "complete": True}))


def test_a_row_shows_ratio_spread_limit_and_floor(run: Runner) -> None:
    ran = run(Bench(), "core")
    assert ran.exit is Exit.OK
    (row,) = [line for line in ran.lines if line.startswith("try_get+put")]
    for part in ("1.05x", "1.03..1.07", "<= 1.1", "CAS + locked decrement"):
        assert part in row


def test_a_missed_limit_is_exit_1_and_says_by_how_much(run: Runner) -> None:
    ran = run(Bench(), core=core_with(bench_row(ratio=1.21, ok=False), bench_row()))
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
    assert core.asked == [{"seconds": 3.0, "only": ["try_get", "gup"]}]


def test_json_carries_rows_and_the_machine(run: Runner) -> None:
    answer = run(Bench(), "--json", "-").json
    assert answer["rows"][0]["name"] == "try_get+put"
    assert answer["cpus"] >= 1
    assert answer["build"]["debug_assertions"] is False


def test_a_debug_build_is_called_one() -> None:
    assert any("debug" in words for words in warnings_in_words({"debug_assertions": True}))


def test_a_no_op_is_compared_with_a_builtin_in_rounds() -> None:
    row = nop_row(lambda: None, rounds=15)
    assert row["rounds"] == len(row["raw"]) == 15
    assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
    assert row["floor"] == "len([])"


def test_a_limit_that_bare_calls_cannot_keep_either_is_a_caution(run: Runner) -> None:
    def cautions(bare: float) -> list[str]:
        rows = [bench_row(name="percpu_ref get+put, called", limit=0.25)]
        report: BenchReport = {"rows": rows, "complete": True}
        report["environment"] = {"bare_calls_ratio": bare}
        answer = run(Bench(), "--json", "-", core=FakeCore(bench=FakeBench(report)))
        return [words for words in answer.json["cautions"] if "only add" in words]

    assert len(cautions(0.55)) == 1
    assert cautions(0.2) == []


def test_rounds_are_kept_on_request_only(run: Runner) -> None:
    def core() -> FakeCore:
        return core_with(bench_row(raw=[(2.0, 1.0)]))

    assert "raw" not in run(Bench(), "--json", "-", core=core()).json["rows"][0]
    assert run(Bench(), "--raw", "--json", "-", core=core()).json["rows"][0]["raw"] == [[2.0, 1.0]]


def test_a_crooked_null_row_and_a_row_left_out_are_cautions(run: Runner) -> None:
    report: BenchReport = {"rows": [bench_row()], "complete": True}
    report["environment"] = {"null_ratio": 1.2, "left_out": [("pairs", "needs two processors")]}
    answer = run(Bench(), "--json", "-", core=FakeCore(bench=FakeBench(report))).json
    assert any("differ by 20.0%" in words for words in answer["cautions"])
    assert any("pairs was left out" in words for words in answer["cautions"])
