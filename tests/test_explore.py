"""`python -m pgmap.explore`, around a core that only answers."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from fake_core import FakeCore, FakeExplore, FakeHunt
from fake_facts import CATALOGUE, PROGRAM
from fake_reports import TOKEN, bound, drawn, hunt_report, setting
from fake_reports import explore_report as report
from fake_reports import found as a_failure
from pgmap import _core
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap._explored import describe, exit_of, result_line
from pgmap._output import Output
from pgmap._signals import Signals
from ran import Runner


def core_with(**changes: Any) -> FakeCore:
    return FakeCore(explores=[FakeExplore(report(**changes))])


def test_exhausted_says_within_what(run: Runner) -> None:
    ran = run(Explore(), "--break", "zap-put=before-flush")
    assert ran.exit is Exit.OK
    last = ran.lines[-1]
    for words in ("at most 2 preemptions", "sequentially consistent", "PMD order 2", "3,702"):
        assert words in last
    assert [line.split()[0] for line in ran.lines[1:5]] == ["bound", "0", "1", "2"]


def test_found_prints_report_token_and_how_to_run_it_again(run: Runner) -> None:
    ran = run(
        Explore(),
        "--break",
        "zap-put=before-flush",
        core=core_with(verdict="found", found=a_failure()),
    )
    assert ran.exit is Exit.FOUND
    assert "BUG: pgmap: stale translation" in ran.stdout
    assert "found I22" in ran.stdout
    assert "with 1 preemption " in ran.stdout
    assert f"Token: {TOKEN}" in ran.lines
    assert ran.lines[-1] == f"Again: python -m pgmap.replay {TOKEN}"


def test_the_json_carries_the_token(run: Runner) -> None:
    fake = core_with(verdict="found", found=a_failure())
    ran = run(Explore(), "--break", "zap-put=before-flush", "--json", "-", core=fake)
    assert ran.json["token"] == TOKEN
    assert ran.json["verdict"] == "found"
    assert ran.json["schema"] == "pgmap-explore/1"


@pytest.mark.parametrize("why", ["schedules", "time"])
def test_a_spent_budget_is_no_proof(run: Runner, why: str) -> None:
    fake = core_with(verdict="not-found", why=why)
    ran = run(Explore(), "--break", "zap-put=before-flush", core=fake)
    assert ran.exit is Exit.OK
    assert "Not a proof" in ran.lines[-1]
    assert "exhausted so far: bound 0, 1" in ran.lines[-1]


def test_what_was_drawn_beyond_the_bound_is_told_apart_from_the_bound(run: Runner) -> None:
    ran = run(Explore(), "--break", "zap-put=before-flush", core=core_with(coverage=drawn()))
    assert ran.exit is Exit.OK
    last = ran.lines[-1]
    assert "at most 2 preemptions (3,702" in last
    assert "Beyond the bound: 1,000 more schedules by portfolio" in last
    assert "345 distinct classes, unseen share about 12.3%" in last
    assert ran.lines[5].split() == ["drawn", "1,000", "0", "144,000", "160"]
    assert "seed=0x0000000000000001" in ran.lines[0]


def test_what_only_was_drawn_is_no_proof_and_says_how_much_was_seen(run: Runner) -> None:
    seen = drawn(classes=1, singletons=0, unseen=0.0, exact=False)
    fake = core_with(verdict="not-found", why="schedules", bounds=[], strategy="pos", coverage=seen)
    ran = run(Explore(), "--break", "zap-put=before-flush", "--strategy", "pos", core=fake)
    assert ran.exit is Exit.OK
    last = ran.lines[-1]
    for words in (
        "not found",
        "1,000 drawn by pos, seed 0x",
        "about 1 distinct class,",
        "Not a proof",
    ):
        assert words in last
    assert "unseen share below 0.10%" in last


def test_what_was_drawn_and_found_says_where_it_came_from(run: Runner) -> None:
    origin = {"strategy": "portfolio", "by": "pct:2", "seed": "0x07", "execution": 1234}
    failure = a_failure(preemptions=None, drawn=origin)
    fake = core_with(verdict="found", found=failure, coverage=drawn())
    ran = run(Explore(), "--break", "zap-put=before-flush", core=fake)
    assert ran.exit is Exit.FOUND
    assert "drawn by pct:2 as execution 1,234 of seed 0x07" in ran.stdout


def test_strategy_seed_and_threads_reach_the_core(run: Runner) -> None:
    fake = FakeCore()
    run(Explore(), "--break", "zap-put=before-flush", core=fake)
    words = ["--strategy", "pct:4", "--seed", "0x10", "--threads", "3"]
    ran = run(Explore(), "--break", "zap-put=before-flush", *words, "--json", "-", core=fake)
    told = [(asked["strategy"], asked["seed"], asked["threads"]) for asked in fake.asked]
    assert told == [("portfolio", 1, None), ("pct:4", 16, 3)]
    assert ran.json["config"]["seed"] == "0x0000000000000010"
    run(Explore(), "--hunt", "mmap", "--threads", "3", core=fake)
    assert fake.asked[-1]["threads"] == 3


def test_progress_shows_how_many_classes_were_drawn() -> None:
    glance = FakeExplore(report()).poll()
    [line] = describe({**glance, "phase": "sample", "classes": 12_345, "unseen": 0.25})
    assert "12.3k classes" in line
    assert "unseen ~25.0%" in line


def test_progress_says_how_much_longer_the_bound_takes() -> None:
    glance = FakeExplore(report()).poll()
    [line] = describe({**glance, "phase": "search", "bound": 2, "fraction": 0.4, "remaining": 90.0})
    assert line.endswith("~40%, about 1m30s more")
    [line] = describe({**glance, "phase": "search", "fraction": 0.0, "remaining": None})
    assert "more" not in line


def test_a_search_that_stops_early_says_how_much_longer_the_bound_would_take(run: Runner) -> None:
    bounds = [bound(0), bound(1), bound(2)]
    fake = core_with(verdict="not-found", why="time", bounds=bounds, remaining=2400.0)
    ran = run(Explore(), "--break", "zap-put=before-flush", "--json", "-", core=fake)
    assert ran.json["remaining"] == 2400.0
    assert "bound 2: about 40m00s more" in ran.stderr + ran.stdout
    fake = core_with(verdict="not-found", why="time", bounds=bounds, remaining=None)
    ran = run(Explore(), "--break", "zap-put=before-flush", core=fake)
    assert "more" not in ran.lines[-1]


def test_inconclusive_has_an_exit_code_of_its_own(run: Runner) -> None:
    fake = core_with(verdict="inconclusive", why="too long")
    ran = run(Explore(), "--break", "zap-put=before-flush", core=fake)
    assert ran.exit is Exit.INCONCLUSIVE
    assert "inconclusive: too long" in ran.lines[-1]


def test_a_search_that_ran_nothing_is_never_green(run: Runner) -> None:
    for coverage in (None, drawn(executions=0)):
        fake = core_with(bounds=[bound(0, schedules=0, pruned=0)], coverage=coverage)
        ran = run(Explore(), "--break", "zap-put=before-flush", core=fake)
        assert ran.exit is Exit.NOTHING_RAN


def test_without_a_program_the_one_known_for_the_rule_runs(run: Runner) -> None:
    fake = FakeCore()
    run(Explore(), "--break", "zap-put=before-flush", core=fake)
    assert fake.asked[0]["program"] == PROGRAM
    assert fake.asked[0]["breaks"] == (("zap-put", "before-flush"),)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "nothing to explore: name a file"),
        (["--break", "zap-put=sometimes"], "no program is known for zap-put=sometimes"),
        (["--break", "share-reset=kept"], "files cannot share"),
        (["--break", "zap-put=before-flush", "--break", "evict-wait=none"], "program of its own"),
        (["no-such-file.txt"], "cannot read no-such-file.txt"),
        (["."], "cannot read ."),
        (["x", "--hunt", "mmap"], "either a program or --hunt"),
        (["--hunt", " "], "no words"),
        (["--ops", "3", "--break", "zap-put=before-flush"], "--ops is for --hunt"),
        (["--geometry", "pages", "--break", "a=b"], "not SIZE=N"),
        (["--geometry", "pages=x", "--break", "a=b"], "not an integer"),
        (["--geometry", "pages=8,pages=9", "--break", "a=b"], "pages is given twice"),
        (["--preemptions", "-1", "--break", "a=b"], "not between 0 and 64, nor 'all'"),
        (["--preemptions", "al", "--break", "a=b"], "not an integer, nor 'all'"),
        (["--schedules", "0", "--break", "a=b"], "at least 1"),
        (["--schedules", str(1 << 64), "--break", "a=b"], "64 bits"),
        (["--break", "a=b", "--break", "a=c"], "a is given twice"),
        (["--for", "soon", "--break", "a=b"], "not a duration"),
        (["--seed", "-1", "--break", "a=b"], "unsigned 64-bit"),
        (["--threads", "0", "--break", "a=b"], "not between 1 and 64"),
        (["--strategy", "pos", "--preemptions", "1", "--break", "a=b"], "bounds nothing"),
        (["--hunt", "mmap", "--strategy", "pos"], "no --strategy"),
        (["--hunt", "mmap", "--programs", "0"], "at least 1"),
        (["--programs", "1", "--break", "a=b"], "for --hunt"),
    ],
)
def test_a_bad_command_line_is_a_sentence(run: Runner, words: list[str], sentence: str) -> None:
    ran = run(Explore(), *words)
    assert ran.exit is Exit.USAGE
    assert sentence in ran.stderr


def test_a_file_that_is_no_text_is_refused(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"\xff\xfe\x00")
    ran = run(Explore(), str(path))
    assert ran.exit is Exit.USAGE
    assert "not UTF-8" in ran.stderr


def test_memory_and_tlbs_are_asked_for(run: Runner) -> None:
    fake = FakeCore()
    run(Explore(), "--break", "zap-put=before-flush", core=fake)
    run(Explore(), "--break", "zap-put=before-flush", "--memory", "tso", core=fake)
    run(Explore(), "--hunt", "mmap", "--memory", "tso", "--speculative-tlb", core=fake)
    asked = [(one["memory"], one["speculative_tlb"]) for one in fake.asked]
    assert asked == [("sc", False), ("tso", False), ("tso", True)]
    assert run(Explore(), "--memory", "arm", "--hunt", "mmap").exit is Exit.USAGE


def test_where_delays_count_the_bound_says_so(run: Runner) -> None:
    usual = run(Explore(), "--break", "zap-put=before-flush")
    assert "at most 2 preemptions (" in usual.lines[-1]
    for late in ({"memory": "tso"}, {"tlb": "speculative"}):
        fake = core_with(setting=setting(**late))
        ran = run(Explore(), "--break", "zap-put=before-flush", core=fake)
        assert "at most 2 preemptions or delays (" in ran.lines[-1]
    hunt = run(Explore(), "--hunt", "mmap", "--memory", "tso", "--speculative-tlb")
    assert "memory=tso  speculative-tlb  hunt: mmap" in hunt.lines[0]
    assert "at most 1 preemption or delay, " in hunt.lines[-1]
    assert "x86-TSO memory, TLBs load ahead." in hunt.lines[-1]


def test_one_of_a_thing_is_told_as_one(run: Runner) -> None:
    fake = core_with(bounds=[bound(0, schedules=1)], setting=setting(tasks=1), waiting=1)
    last = run(Explore(), "--break", "zap-put=before-flush", core=fake).lines[-1]
    for words in ("(1 schedule,", " 1 task,", " 1 schedule ended", " 2 CPUs,"):
        assert words in last


def test_known_races_are_listed_counted_and_no_finding(run: Runner) -> None:
    met = {
        "id": "B50",
        "title": "unmapping works on what went",
        "times": 12,
        "goes_away_with": "teardown-pages=wait-idle",
        "token": "pgm3:AAAA",
    }
    ran = run(Explore(), "--break", "zap-put=before-flush", core=core_with(known=[met], again=34))
    assert ran.exit is Exit.OK
    listed = next(line for line in ran.lines if line.startswith("Known: B50"))
    assert "in 12 schedules; goes away with teardown-pages=wait-idle" in listed
    assert "pgmap.replay pgm3:AAAA" in listed
    assert "34 more schedules showed no news" in ran.stdout


def test_an_interrupted_sample_leaves_the_bound_and_says_so() -> None:
    signals = Signals()
    signals.stopped_by = signal.SIGINT
    done, cut = report(coverage=drawn()), report(coverage=drawn(), complete=False)
    assert exit_of(done, signals) is Exit.OK
    assert exit_of(cut, signals) is Exit.INTERRUPTED
    told = result_line(Output(None), cut, signals)
    assert "exhausted: nothing fails" in told
    assert "Interrupted by SIGINT" in told
    assert "Interrupted" not in result_line(Output(None), done, signals)


def test_a_hunt_asks_for_its_words(run: Runner) -> None:
    fake = FakeCore()
    ran = run(Explore(), "--hunt", "mmap, touch", "--ops", "3", core=fake)
    assert ran.exit is Exit.OK
    assert (fake.asked[0]["words"], fake.asked[0]["ops"]) == (["mmap", "touch"], 3)
    assert "no program of at most 3 operations fails" in ran.lines[-1]


def test_a_hunt_tells_what_it_caught(run: Runner) -> None:
    report = hunt_report(verdict="found", found=a_failure(), shortest=True)
    fake = FakeCore(hunt=FakeHunt(report))
    ran = run(Explore(), "--hunt", "all", core=fake)
    assert ran.exit is Exit.FOUND
    assert fake.asked[0]["words"] == []
    assert f"Token: {TOKEN}" in ran.lines
    assert "no shorter program of these words fails" in ran.stdout


def test_what_was_drawn_need_not_be_the_shortest(run: Runner) -> None:
    report = hunt_report(verdict="found", found=a_failure(), drawn=7)
    ran = run(Explore(), "--hunt", "all", core=FakeCore(hunt=FakeHunt(report)))
    assert "shorter programs may fail, too (120 programs, 7 of them drawn, " in ran.stdout


def test_a_hunt_takes_sizes_for_all_its_programs(run: Runner) -> None:
    fake = FakeCore()
    run(Explore(), "--hunt", "mmap", "--geometry", "pmd_order=9", core=fake)
    assert fake.asked[0]["geometry"] == {"pmd_order": 9}
    words = ["--hunt", "mmap reference munmap drop unlink", "--break", "evict-wait=none"]
    limits = ["--ops", "5", "--preemptions", "0", "--json", "-"]
    ran = run(Explore(), *words, *limits, "--geometry", "pmd_order=9", core=core())
    assert ran.json["found"]["setting"]["geometry"]["pmd_order"] == 9
    ran = run(Explore(), "--hunt", "mmap", "--geometry", "pmd_order=77", core=core())
    assert ran.exit is Exit.USAGE
    assert "pmd_order is 77" in ran.stderr


def test_the_fake_catalogue_is_shaped_like_the_real_one() -> None:
    real = _core.catalogue()
    assert set(real["known"][0]) == set(CATALOGUE["known"][0])
    assert set(real["not_on_x86"][0]) == set(CATALOGUE["not_on_x86"][0])
    assert set(real["not_shown"][0]) == set(CATALOGUE["not_shown"][0])
