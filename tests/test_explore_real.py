"""`python -m pgmap.explore` and `pgmap.explore`, with the real core."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

import children
import pgmap
from fake_reports import drawn
from fake_reports import explore_report as report
from fake_reports import found as a_failure
from pgmap import Exhausted, Found, Inconclusive, NotFound, _core, errors
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap.verdicts import Bound, Coverage, Drawn, Setting
from ran import Runner

KNOWN = {entry["name"]: entry for entry in _core.catalogue()["known"]}
ZAP = KNOWN["zap-put"]
WRONG = {ZAP["rule"]: ZAP["value"]}
PARTS_OF_A_REPR = {"Bound": Bound, "Coverage": Coverage, "Setting": Setting}
# Long enough to be interrupted.
LARGE = KNOWN["gup-pmd-recheck"]["program"]


def test_a_wrong_rule_is_found_from_the_command_line(run: Runner) -> None:
    ran = run(Explore(), "--break", "zap-put=before-flush", "--json", "-", core=core())
    assert ran.exit is Exit.FOUND
    found = ran.json["found"]
    assert found["finding"]["invariant"] == "I22"
    assert found["preemptions"] == 1
    assert ran.json["token"].startswith("pgm3:")
    assert set(ran.json) >= set(report())
    assert set(found) == set(a_failure())
    assert ran.json["coverage"] is None
    assert all(len(line) <= 72 for line in found["text"].splitlines())


def test_found_is_a_value_that_prints_its_report() -> None:
    verdict = pgmap.explore(ZAP["program"], rules=WRONG)
    assert isinstance(verdict, Found)
    assert str(verdict) == verdict.report
    assert verdict.rules == ("zap-put=before-flush",)
    assert verdict.data["invariant"]["id"] == "I22"
    assert repr(verdict) == f"<Found {verdict.finding}, v6.15-sound zap-put=before-flush>"
    assert str(verdict.finding).startswith("I22 ")
    assert "\n" not in repr(verdict)
    again = pickle.loads(pickle.dumps(verdict))
    assert (again, hash(again)) == (verdict, hash(verdict))


def test_what_a_verdict_is_about_is_one_value_and_its_parts_have_their_names() -> None:
    found = pgmap.explore(ZAP["program"], rules=WRONG, memory="tso")
    assert isinstance(found, Found)
    again = pgmap.replay(found.token)
    assert again.setting == found.setting
    for told in (found, again):
        about = Setting(
            era=told.era,
            rules=told.rules,
            geometry=told.geometry,
            memory=told.memory,
            tlb=told.tlb,
        )
        assert about == told.setting
    assert (found.setting.memory, found.setting.delays) == ("tso", True)
    assert found.setting.rules == ("zap-put=before-flush",)


def test_right_rules_are_exhausted_and_say_within_what() -> None:
    verdict = pgmap.explore(pgmap.Program.parse(ZAP["program"]), preemptions=1)
    assert isinstance(verdict, Exhausted)
    assert verdict.bound == 1
    assert [entry.bound for entry in verdict.bounds] == [0, 1]
    assert verdict.schedules == sum(entry.schedules for entry in verdict.bounds) > 0
    assert verdict.geometry["pmd_order"] == 2
    assert eval(repr(verdict), vars(pgmap) | PARTS_OF_A_REPR) == verdict


def test_beyond_an_exhausted_bound_a_sample_is_told_and_proves_nothing() -> None:
    verdict = pgmap.explore(ZAP["program"], preemptions=0)
    assert isinstance(verdict, Exhausted)
    assert isinstance(verdict.beyond, Coverage)
    assert verdict.beyond.executions == 1000
    assert 0 < verdict.beyond.singletons <= verdict.beyond.classes <= 1000
    assert verdict.beyond.unseen == verdict.beyond.singletons / 1000
    assert str(verdict.beyond) in str(verdict)
    assert eval(repr(verdict), vars(pgmap) | PARTS_OF_A_REPR) == verdict
    bounds = pgmap.explore(ZAP["program"], preemptions=0, strategy="bounds")
    assert isinstance(bounds, Exhausted)
    assert bounds.beyond is None


def test_what_needs_more_than_the_bound_is_found_beyond_it() -> None:
    verdict = pgmap.explore(ZAP["program"], rules=WRONG, preemptions=0)
    assert isinstance(verdict, Found)
    # Shrinking has found out how many preemptions it needs.
    assert (verdict.preemptions, verdict.drawn) == (1, None)


@pytest.mark.parametrize("strategy", ["portfolio", "pct", "pct:2", "pos", "surw"])
def test_a_strategy_finds_the_same_with_any_number_of_threads(strategy: str) -> None:
    def told(threads: int) -> tuple[str, Drawn]:
        verdict = pgmap.explore(
            ZAP["program"],
            rules=WRONG,
            preemptions=0,
            strategy=strategy,
            threads=threads,
            shrink=False,
        )
        assert isinstance(verdict, Found)
        assert verdict.drawn is not None
        assert pgmap.replay(verdict.token).outcome == "reproduced"
        return verdict.token, verdict.drawn

    alone = told(1)
    assert [told(2), told(4)] == [alone, alone]
    assert alone[1].seed == "0x0000000000000001"
    assert pickle.loads(pickle.dumps(alone[1])) == alone[1]


def test_the_json_of_a_sample_carries_its_coverage(run: Runner, tmp_path: Path) -> None:
    words = ["--strategy", "pos", "--schedules", "300", "--seed", "7", "--json", "-"]
    path = tmp_path / "program.txt"
    path.write_text(ZAP["program"])
    ran = run(Explore(), str(path), *words, core=core())
    assert ran.exit is Exit.OK
    assert (ran.json["verdict"], ran.json["why"]) == ("not-found", "schedules")
    assert (ran.json["strategy"], ran.json["seed"]) == ("pos", "0x0000000000000007")
    assert set(ran.json["coverage"]) == set(drawn())
    assert ran.json["coverage"]["executions"] == 300
    assert ran.json["bounds"] == []


def test_a_rule_that_is_wrong_on_x86_only_is_explored_there_by_itself(run: Runner) -> None:
    entry = KNOWN["zap-clear"]
    asked = f"{entry['rule']}={entry['value']}"
    ran = run(Explore(), "--break", asked, core=core())
    assert ran.exit is Exit.FOUND
    assert "memory=tso, which it needs" in ran.lines[0]
    assert "On x86-TSO memory" in ran.stdout
    assert "with 2 preemptions or delays" in ran.stdout
    silent = run(Explore(), "--break", asked, "--memory", "sc", "--json", "-", core=core())
    assert (silent.exit, silent.json["verdict"]) == (Exit.OK, "exhausted")
    assert silent.json["setting"]["memory"] == "sc"
    assert "needs --memory tso" in silent.stderr


def test_a_verdict_says_for_which_memory_it_holds() -> None:
    entry = KNOWN["zap-clear"]
    rules = {entry["rule"]: entry["value"]}
    found = pgmap.explore(entry["program"], rules=rules, memory="tso", shrink=False)
    silent = pgmap.explore(entry["program"], rules=rules)
    assert isinstance(found, Found)
    assert isinstance(silent, Exhausted)
    assert (found.memory, silent.memory) == ("tso", "sc")
    assert found.token.startswith("pgm3:")
    assert pgmap.replay(found.token).memory == "tso"


def test_a_translation_may_be_loaded_ahead() -> None:
    touched_by_nobody = (
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0 | w0 unpin\nstart\n"
        "w0 munmap 0\nw1 ftruncate f 0\n"
    )
    ahead = pgmap.explore(touched_by_nobody, rules=WRONG, speculative_tlb=True)
    assert isinstance(ahead, Found)
    assert "TLBs load ahead" in ahead.report
    usual = pgmap.explore(touched_by_nobody, rules=WRONG)
    assert isinstance(usual, Exhausted)
    assert (ahead.tlb, usual.tlb) == ("speculative", "on-access")
    assert pgmap.replay(ahead.token).tlb == "speculative"
    sound = pgmap.explore(touched_by_nobody, strategy="bounds", speculative_tlb=True)
    assert "at most 2 preemptions or delays" in str(sound)
    assert "at most 2 preemptions (" in str(usual)


def test_a_budget_of_schedules_or_time_is_not_found() -> None:
    by_schedules = pgmap.explore(LARGE, schedules=20)
    by_time = pgmap.explore(LARGE, preemptions=8, seconds=0.1)
    assert isinstance(by_schedules, NotFound)
    assert isinstance(by_time, NotFound)
    assert (by_schedules.budget, by_time.budget) == ("schedules", "time")


def test_no_verdict_is_a_bare_true() -> None:
    for verdict in (
        pgmap.explore(ZAP["program"], schedules=1),
        Inconclusive(why="x", program="", setting=Setting(era="", geometry={})),
    ):
        with pytest.raises(TypeError, match="neither true nor false"):
            bool(verdict)


def test_unshrunk_is_the_program_as_given() -> None:
    entry = KNOWN["truncate-break-layout"]
    rules = {entry["rule"]: entry["value"]}
    whole = pgmap.explore(entry["program"], rules=rules, shrink=False)
    small = pgmap.explore(entry["program"], rules=rules)
    assert isinstance(whole, Found)
    assert isinstance(small, Found)
    assert len(small.program) < len(whole.program)
    assert small.finding.title == whole.finding.title


def test_progress_is_called_and_may_end_the_search() -> None:
    seen: list[str] = []

    def enough(glance: Any) -> None:
        seen.append(glance["phase"])
        if len(seen) == 3:
            raise StopIteration

    with pytest.raises(StopIteration):
        pgmap.explore(LARGE, preemptions=8, strategy="bounds", progress=enough)
    assert seen == ["search"] * 3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"era": "v9.99"}, errors.EraError),
        ({"rules": {"no-such-rule": "on"}}, errors.RuleError),
        ({"rules": {"zap-put": "never"}}, errors.RuleError),
        ({"rules": "zap-put=never"}, TypeError),
        ({"rules": {1: 2}}, TypeError),
        ({"geometry": 7}, TypeError),
        ({"geometry": {"cpus": 0}}, errors.OutOfRange),
        ({"geometry": {"cpus": 1}}, errors.ScenarioError),
        ({"geometry": {"pages": 1 << 28}}, errors.ScenarioError),
        ({"geometry": {"pages": 1 << 40}}, errors.OutOfRange),
        ({"geometry": {"pages": "many"}}, TypeError),
        ({"geometry": {"no-such-size": 1}}, errors.InvalidArgument),
        ({"preemptions": -1}, errors.InvalidArgument),
        ({"preemptions": 1000}, errors.InvalidArgument),
        ({"schedules": 0}, errors.InvalidArgument),
        ({"seconds": -1.0}, errors.InvalidArgument),
        ({"strategy": "luck"}, errors.InvalidArgument),
        ({"strategy": "pct:99"}, errors.InvalidArgument),
        ({"seed": -1}, errors.InvalidArgument),
        ({"seed": 1 << 64}, errors.InvalidArgument),
        ({"threads": 0}, errors.InvalidArgument),
        ({"threads": 1000}, errors.InvalidArgument),
        ({"seconds": float("nan")}, errors.InvalidArgument),
        ({"program": "w0 nonsense"}, errors.ProgramError),
        ({"program": ""}, errors.ScenarioError),
        (
            {"program": "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 r 0 0\nstart\n"},
            errors.ScenarioError,
        ),
        ({"memory": "arm"}, errors.InvalidArgument),
        ({"memory": 1}, errors.InvalidArgument),
        ({"program": 7}, TypeError),
        ({"program": None}, TypeError),
    ],
)
def test_bad_input_starts_nothing(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        pgmap.explore(**{"program": ZAP["program"], **change})
    assert len(str(raised.value)) > 10
    assert "iterable" not in str(raised.value)
    assert not isinstance(raised.value, errors.InternalError)


def test_a_program_that_cannot_be_read_names_its_line(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "program.txt"
    path.write_text("file f 1\nw0 frobnicate 1\n")
    ran = run(Explore(), str(path), core=core())
    assert ran.exit is Exit.USAGE
    assert "line 2" in ran.stderr
    assert "frobnicate" in ran.stderr


def test_the_shortest_program_of_a_known_race_is_hunted_down(run: Runner) -> None:
    words = "mmap reference munmap drop unlink"
    options = ["--break", "evict-wait=none", "--ops", "5", "--preemptions", "0", "--json", "-"]
    ran = run(Explore(), "--hunt", words, *options, core=core())
    assert ran.exit is Exit.FOUND
    assert ran.json["words"] == words.split()
    assert ran.json["token"].startswith("pgm3:")


def test_a_hunt_ends_after_so_many_programs_as_were_asked_for(run: Runner) -> None:
    ran = run(Explore(), "--hunt", "all", "--programs", "50", "--json", "-", core=core())
    assert ran.exit is Exit.OK
    told = ran.json
    assert (told["verdict"], told["why"], told["programs"]) == ("not-found", "programs", 50)
    assert "so many programs were asked for" in ran.stderr


def test_another_seed_draws_other_programs(run: Runner) -> None:
    def schedules(seed: str) -> int:
        options = ["--programs", "200", "--seed", seed, "--json", "-"]
        return int(run(Explore(), "--hunt", "all", *options, core=core()).json["schedules"])

    assert schedules("1") == schedules("1") != schedules("2")


def test_an_unknown_word_lists_those_there_are(run: Runner) -> None:
    ran = run(Explore(), "--hunt", "mmap fly", core=core())
    assert ran.exit is Exit.USAGE
    assert "truncate" in ran.stderr


@pytest.mark.parametrize("words", [["-", "--preemptions", "8"], ["--hunt", "all", "--ops", "9"]])
def test_ctrl_c_gives_what_there_is(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "program.txt"
    path.write_text(LARGE)
    command = [sys.executable, "-m", "pgmap.explore", "--json", "-"]
    command += [str(path) if word == "-" else word for word in words]
    code, stdout = children.interrupted(command, "era=")
    told = json.loads(stdout)
    assert code == Exit.INTERRUPTED
    assert (told["verdict"], told["complete"]) == ("not-found", False)


def test_ctrl_c_between_two_eras_gives_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "program.txt"
    path.write_text(LARGE)
    sides = ("--between", "v6.12-sound", "v6.15-sound")
    command = [sys.executable, "-m", "pgmap.explore", str(path), *sides, "--json", "-"]
    code, stdout = children.interrupted([*command, "--preemptions", "8"], "between=")
    told = json.loads(stdout)
    assert code == Exit.INTERRUPTED
    assert told["between"]["complete"] is False


def test_the_functions_keep_their_names_when_the_commands_are_imported() -> None:
    import pgmap.explore
    import pgmap.replay

    assert callable(pgmap.explore)
    assert callable(pgmap.replay)


def test_a_result_is_given_once() -> None:
    run = _core.explore_start(
        {
            **{"program": ZAP["program"], "era": "v6.15-sound", "breaks": (), "geometry": {}},
            **{"preemptions": 0, "schedules": None, "seconds": None, "shrink": True},
            **{"max_steps": None, "known": False, "without": ()},
            **{"strategy": "bounds", "seed": 1, "threads": 1},
            **{"memory": "sc", "speculative_tlb": False, "known": False},
        }
    )
    assert run.finish()["verdict"] == "exhausted"
    assert run.poll()["done"] is True
    with pytest.raises(errors.InvalidArgument, match="taken already"):
        run.finish()


def test_what_was_drawn_counts_among_the_schedules() -> None:
    drawn = pgmap.explore(LARGE, strategy="pos", schedules=7)
    assert isinstance(drawn, NotFound)
    assert drawn.coverage is not None
    assert (drawn.schedules, drawn.coverage.executions) == (7, 7)


ALONE = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\n"


@pytest.mark.parametrize("words", [[], ["--strategy", "pos"], ["--schedules", "1000000000"]])
def test_a_program_of_one_class_is_proven_and_not_drawn_for_ever(
    words: list[str], run: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "alone.txt"
    path.write_text(ALONE)
    ran = run(Explore(), str(path), *words, core=core())
    assert ran.exit is Exit.OK
    assert "exhausted: nothing fails in any schedule (" in ran.lines[-1]
    assert "are of one class, and there is no other." in ran.lines[-1]


def test_where_nothing_was_reordered_by_chance_the_sample_goes_on() -> None:
    racing = ALONE + "w1 ftruncate f 0\n"
    verdict = pgmap.explore(racing, strategy="pos", schedules=1000)
    assert isinstance(verdict, NotFound)
    assert verdict.coverage is not None
    assert verdict.coverage.executions == 1000


def test_a_known_race_is_passed_over_unless_it_is_wanted() -> None:
    program = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\nw1 unbind\n"
    passed = pgmap.explore(program, era="v6.15", strategy="bounds")
    assert isinstance(passed, Exhausted)
    assert {met.id for met in passed.known} >= {"B50"}
    assert all(met.goes_away_with == "teardown-pages=wait-idle" for met in passed.known)
    wanted = pgmap.explore(program, era="v6.15", strategy="bounds", known=True)
    assert isinstance(wanted, Found)
    assert wanted.finding.goes_away_with == "teardown-pages=wait-idle"


def test_a_wait_that_nobody_ends_is_never_green() -> None:
    setup = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\nstart\n"
    own = pgmap.explore(setup + "w0 ftruncate f 0\n", strategy="bounds")
    assert isinstance(own, Inconclusive)
    assert "never gives back" in own.why
    assert own.waiting > 0
    ring = pgmap.explore(setup + "w0 ftruncate f 0\nw0 unpin\n", strategy="bounds")
    assert isinstance(ring, Found)
    assert (ring.finding.sort, ring.finding.blame) == ("deadlock", "program")
