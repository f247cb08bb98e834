"""`python -m pgmap.stress`, with a core that only answers."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from fake_core import FakeCore, FakeReproduce, FakeStress
from fake_facts import known_race
from fake_reports import TOKEN, found, hang, reproduce_report, stress_report, violation
from pgmap._core_explore import ReproduceProgress
from pgmap._drive import drive
from pgmap._exit import Exit
from pgmap._output import Output
from pgmap._progress import showing
from pgmap._signals import Signals
from pgmap._stress_config import DEFAULT_SECONDS
from pgmap._stressed import Announcer
from pgmap.stress import Stress
from ran import Runner

SPLITS = "w0 anonhuge 0 4\nstart\nw0 split_huge_pages 0 0\n"


def core_with(**changes: Any) -> FakeCore:
    return FakeCore(stress=FakeStress(stress_report(**changes)))


def test_the_first_and_the_last_line_carry_the_seed(run: Runner) -> None:
    ran = run(Stress(), "--seed", "0x7")
    assert "seed 0x0000000000000007" in ran.lines[0]
    assert "--seed 0x0000000000000007" in ran.lines[-1]
    assert "seed 0x0000000000000007" in ran.lines[-2]


def test_a_seed_is_drawn_when_none_is_given(run: Runner) -> None:
    core = FakeCore()
    first = run(Stress(), core=core).lines[0]
    second = run(Stress(), core=core).lines[0]
    assert first != second
    assert f"0x{core.asked[0]['seed']:016x}" in first


def test_a_clean_run_says_what_it_does_not_prove(run: Runner) -> None:
    ran = run(Stress())
    assert ran.exit is Exit.OK
    assert "no violation in 10.0s (28,900,000 ops, 100 rounds, 4 threads" in ran.stdout
    assert "Absence of a report is not a proof" in ran.stdout
    assert "the seed fixes the op lists, not the interleaving" in ran.lines[-1]


def test_a_violation_names_invariant_page_and_both_parties_in_one_line(run: Runner) -> None:
    ran = run(Stress(), core=core_with(violations=[violation()]))
    assert ran.exit is Exit.FOUND
    (line,) = [line for line in ran.lines if line.startswith("VIOLATION")]
    for part in ("I18", "page 17", "gup_fast (w1)", "dax_truncate (w0)", "4.2s", "round 12"):
        assert part in line
    assert "not a proof" not in ran.stdout


def test_each_violation_is_told_once_however_often_it_is_polled(run: Runner) -> None:
    core = core_with(violations=[violation(page=1), violation(page=2)])
    core.stress.polls = 5
    ran = run(Stress(), core=core)
    assert ran.stdout.count("VIOLATION") == 2


def test_a_run_that_did_nothing_is_never_green(run: Runner) -> None:
    ran = run(Stress(), core=core_with(ops=0))
    assert ran.exit is Exit.NOTHING_RAN
    assert "nothing was tested" in ran.stdout


def test_known_races_are_known_and_not_news(run: Runner) -> None:
    known = [violation(known="B31"), violation(known="B31")]
    ran = run(Stress(), core=core_with(violations=known, era="v6.15"))
    assert ran.exit is Exit.OK
    assert "VIOLATION" not in ran.stdout
    assert "Known races of v6.15, seen again: B31 (2x)" in ran.stdout


def test_known_races_are_findings_for_who_wants_them(run: Runner) -> None:
    core = core_with(violations=[violation(known="B31")], era="v6.15")
    ran = run(Stress(), "--known", "--no-explain", core=core)
    assert ran.exit is Exit.FOUND
    assert ran.stdout.count("VIOLATION") == 1


def test_news_beside_a_known_race_is_still_news(run: Runner) -> None:
    both = [violation(known="B31"), violation()]
    assert run(Stress(), core=core_with(violations=both)).exit is Exit.FOUND


def test_a_hang_names_who_waits_and_who_holds(run: Runner) -> None:
    ran = run(Stress(), core=core_with(hang=hang()))
    assert ran.exit is Exit.HANG
    assert "HANG: deadlock: " in ran.stdout
    assert "in a ring: w0 -> w1 -> w0" in ran.stdout
    assert "waiting: w0: page 3 idle" in ran.stdout
    assert "holding: w1: pin of page 3" in ran.stdout


def test_a_lost_wake_up_names_who_sleeps_for_what_is_true(run: Runner) -> None:
    lost = hang(kind="lost wake-up", sleeper="w0 punch", ring=[])
    ran = run(Stress(), core=core_with(hang=lost))
    assert ran.exit is Exit.HANG
    assert "HANG: lost wake-up: what w0 punch sleeps for is true, and nobody wakes it" in ran.stdout
    assert "ring" not in ran.stdout


def test_a_violation_wins_over_a_hang(run: Runner) -> None:
    ran = run(Stress(), core=core_with(hang=hang(), violations=[violation()]))
    assert ran.exit is Exit.FOUND


def test_what_only_a_clock_shows_is_no_verdict_and_goes_to_the_explorer(run: Runner) -> None:
    told = "w2 has used 10.0 s of CPU time in one call, which has not ended"
    core = core_with(no_verdict=told)
    ran = run(Stress(), "--break", "busy-scan=next-index", core=core)
    assert ran.exit is Exit.INCONCLUSIVE
    assert f"NO VERDICT: {told}" in ran.stdout
    assert "--hunt all --era v6.15-sound --break busy-scan=next-index" in ran.stdout
    assert "no violation" not in ran.stdout
    assert (core.asked[1]["invariant"], core.asked[1]["operations"]) == (None, [])


def test_counts_that_do_not_add_up_are_found_even_without_a_violation(run: Runner) -> None:
    ran = run(Stress(), core=core_with(quiescent=False))
    assert ran.exit is Exit.FOUND
    assert "NOT QUIESCENT" in ran.stdout


def test_the_core_is_told_everything_that_was_asked(run: Runner) -> None:
    core = FakeCore()
    run(
        Stress(),
        *shlex.split("--era v6.15 --break a=b --break c=d --threads 2 --mix pins --pages 64"),
        *shlex.split("--for 1m --ops 1000 --watchdog 3s --max-failures 5 --seed 9"),
        core=core,
    )
    assert core.asked == [
        {
            "era": "v6.15",
            "breaks": (("a", "b"), ("c", "d")),
            "seed": 9,
            "threads": 2,
            "mix": "pins",
            "pages": 64,
            "seconds": 60.0,
            "ops": 1000,
            "watchdog": 3.0,
            "max_failures": 5,
        }
    ]


def test_without_a_budget_a_run_is_short_and_with_ops_alone_time_is_no_limit(run: Runner) -> None:
    core = FakeCore()
    run(Stress(), core=core)
    run(Stress(), "--ops", "5", core=core)
    assert [asked["seconds"] for asked in core.asked] == [DEFAULT_SECONDS, None]


def test_keep_going_has_no_limit_of_failures(run: Runner) -> None:
    core = FakeCore()
    run(Stress(), "--keep-going", core=core)
    assert core.asked[0]["max_failures"] is None


@pytest.mark.parametrize(
    "words",
    [
        "--threads 0",
        "--threads many",
        "--pages 0",
        "--ops 0",
        "--for 0s",
        "--seed -1",
        "--break x",
        "--max-failures 0",
        "--max-failures 2 --keep-going",
        "--explain 0s",
        "--explain 1s --no-explain",
        "-q -v",
        "--progress loud",
        "surplus",
    ],
)
def test_bad_words_end_before_anything_starts(words: str, run: Runner) -> None:
    core = FakeCore()
    assert run(Stress(), *words.split(), core=core).exit is Exit.USAGE
    assert core.asked == []


def test_the_line_at_the_end_repeats_the_run(run: Runner) -> None:
    core = FakeCore()
    words = "--era v6.15 --break a=b --threads 3 --mix m --pages 9 --for 2s --ops 7 --seed 5"
    again = run(Stress(), *words.split(), core=core).lines[-1]
    command = shlex.split(again.removeprefix("Again: ").partition("  (")[0])
    assert command[:3] == ["python", "-m", "pgmap.stress"]
    run(Stress(), *command[3:], core=core)
    assert core.asked[0] == core.asked[1]


def test_json_carries_the_whole_report_and_people_read_stderr(run: Runner) -> None:
    ran = run(Stress(), "--json", "-", core=core_with(violations=[violation()]))
    assert ran.json["violations"] == [violation()]
    assert ran.json["slow_paths"]["recheck_lost"] == 1234
    assert ran.json["ok"] is False
    assert "VIOLATION" in ran.stderr


def test_what_was_found_is_looked_for_by_the_explorer_and_told(run: Runner) -> None:
    core = core_with(violations=[violation(known="B31"), violation()])
    core.reproduction = FakeReproduce(reproduce_report(found=found(), exact=True))
    ran = run(Stress(), "--explain", "3s", core=core)
    asked = core.asked[1]
    assert (asked["invariant"], asked["operations"]) == ("I18", ["get", "ftruncate"])
    assert asked["seconds"] == 3.0
    assert "BUG: pgmap: stale translation" in ran.stdout
    assert "Explorer: reproduced: found I22" in ran.stdout
    assert f"Token: {TOKEN}" in ran.lines


def test_what_the_explorer_calls_otherwise_is_not_said_to_be_the_same(run: Runner) -> None:
    core = core_with(violations=[violation()])
    core.reproduction = FakeReproduce(reproduce_report(found=found(), exact=False))
    ran = run(Stress(), core=core)
    assert "the ledger objects first to this" in ran.stdout


def test_what_the_explorer_cannot_find_stands(run: Runner) -> None:
    ran = run(Stress(), "--json", "-", core=core_with(violations=[violation()]))
    assert ran.exit is Exit.FOUND
    assert "not reproduced (12 programs, 4,567 schedules" in ran.stderr
    assert ran.json["reproduced"] == reproduce_report()


def test_an_explanation_that_fails_does_not_take_the_finding_with_it(run: Runner) -> None:
    class Broken(FakeCore):
        def reproduce_start(self, config: dict[str, Any]) -> FakeReproduce:
            raise RuntimeError("lost")

    core = Broken(stress=FakeStress(stress_report(violations=[violation()])))
    ran = run(Stress(), "--json", "-", core=core)
    assert ran.exit is Exit.INTERNAL
    assert ran.json["violations"] == [violation()]


def test_an_explanation_that_is_interrupted_says_so(run: Runner) -> None:
    class Interrupting(FakeReproduce):
        def poll(self) -> ReproduceProgress:
            signal.raise_signal(signal.SIGINT)
            return {**super().poll(), "done": False}

    core = core_with(violations=[violation()])
    core.reproduction = Interrupting(reproduce_report())
    ran = run(Stress(), core=core)
    assert ran.exit is Exit.FOUND
    assert ran.lines[-1].startswith("Explorer: not reproduced")
    assert "Interrupted by SIGINT" in ran.lines[-1]


def test_a_wrong_rule_that_was_not_met_is_not_let_off(run: Runner) -> None:
    words = ("--break", "zap-put=before-flush")
    missed = run(Stress(), *words)
    assert missed.exit is Exit.OK
    assert missed.lines[-1].endswith("python -m pgmap.explore --break zap-put=before-flush")
    assert "Not met" not in run(Stress(), *words, core=core_with(violations=[violation()])).stdout
    assert "Not met" not in run(Stress()).stdout


def test_a_hang_is_looked_for_without_an_invariant(run: Runner) -> None:
    core = core_with(hang=hang())
    run(Stress(), core=core)
    assert (core.asked[1]["invariant"], core.asked[1]["operations"]) == (None, [])


@pytest.mark.parametrize("changes", [{}, {"violations": [violation(known="B31")]}])
def test_without_news_nothing_is_looked_for(run: Runner, changes: dict[str, Any]) -> None:
    core = core_with(**changes)
    ran = run(Stress(), "--json", "-", core=core)
    assert len(core.asked) == 1
    assert ran.json["reproduced"] is None


def test_nobody_has_to_wait_for_the_explorer(run: Runner) -> None:
    core = core_with(violations=[violation()])
    assert run(Stress(), "--no-explain", core=core).exit is Exit.FOUND
    assert len(core.asked) == 1


def test_the_folder_holds_the_events_and_the_report(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    run(Stress(), "--out", str(folder), core=core_with(violations=[violation()]))
    lines = (folder / "results.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events == ["start", "violation", "progress", "end"]
    report = json.loads((folder / "report.json").read_text())
    assert report["exit"] == Exit.FOUND
    assert report["config"]["era"] == "v6.15-sound"


def test_a_folder_that_cannot_be_made_fails_before_the_work(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    core = FakeCore()
    ran = run(Stress(), "--out", str(tmp_path / "file" / "inside"), core=core)
    assert ran.exit is Exit.USAGE
    assert core.asked == []


def test_slow_paths_are_in_the_summary(run: Runner) -> None:
    assert "recheck_lost 1,234" in run(Stress()).stdout


def test_a_full_disk_ends_the_records_and_not_the_run(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").symlink_to("/dev/full")
    ran = run(Stress(), "--out", str(tmp_path), core=core_with(violations=[violation()]))
    assert ran.exit is Exit.FOUND
    assert ran.stderr.count("no more records") == 1


def test_each_violation_is_new_once() -> None:
    announcer = Announcer(Output(None))
    seen = [violation(page=n) for n in range(5)]
    glances = [seen[:1], seen[:3], seen[:3], seen[:4], seen]
    new = [list(announcer.take_new(glance)) for glance in glances]
    assert new == [seen[:1], seen[1:3], [], seen[3:4], seen[4:]]


def test_a_signal_stops_the_run_itself() -> None:
    endless = FakeStress(stress_report(), polls=None)
    signals = Signals()
    signals.stopped_by = signal.SIGINT
    with showing("none", Output(None)) as progress:
        report = drive(endless, signals, progress, describe=lambda _: ())
    assert (endless.stops, report["complete"]) == (1, False)


def test_a_race_has_its_rules_and_the_mix_of_its_operations(run: Runner) -> None:
    core = FakeCore()
    run(Stress(), "--race", "B13", core=core)
    (asked,) = core.asked
    assert (asked["era"], asked["breaks"]) == ("v6.15-sound", (("evict-wait", "none"),))
    assert asked["mix"] == "default"
    core.races = [known_race("split-get", "missing", "I26", "no reference", program=SPLITS)]
    run(Stress(), "--race", "split-get", core=core)
    run(Stress(), "--race", "split-get", "--mix", "gup", core=core)
    assert [it["mix"] for it in core.asked[1:]] == ["fracture", "gup"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--race", "B99"], "no race that a program shows is called 'B99'"),
        (["--race", "gup-grab"], "no race that a program shows is called 'gup-grab'"),
        (["--race", "B13", "--break", "zap-put=before-flush"], "--race has rules of its own"),
        (["--race", "B13", "--era", "v6.12"], "--race has rules of its own"),
    ],
)
def test_a_race_is_one_that_threads_can_run_and_has_its_own_rules(
    run: Runner, words: list[str], told: str
) -> None:
    ran = run(Stress(), *words)
    assert ran.exit is Exit.USAGE
    assert told in ran.stderr
