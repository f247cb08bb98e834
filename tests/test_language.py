"""What a program says must come of it, what its steps came to, and what a verdict warns of."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import pgmap
from fake_core import FakeCore, FakeExplore
from fake_reports import explore_report as report
from fake_reports import run_report
from pgmap import Exhausted, Found, Inconclusive, Unseen
from pgmap._cli import Command
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap._replay import Replay
from pgmap._tell import outcomes
from pgmap._words import results_words
from pgmap.bench import Bench
from pgmap.conform import Conform
from pgmap.run import Run
from pgmap.selftest import Selftest
from pgmap.stress import Stress
from ran import Ran, Runner

MAPPED = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\n"
REFUSED = MAPPED + "a: w0 pin 0 0\nw1 ftruncate f 0\nw0 unpin\n"
APART = "file f 1\nfile g 1\nstart\nw0 ftruncate f 0\nw1 ftruncate g 0\n"


@pytest.fixture
def real(run: Runner, tmp_path: Path) -> Any:
    def runner(command: Command, text: str, *words: str) -> Ran:
        path = tmp_path / "program.txt"
        path.write_text(text, encoding="utf-8")
        return run(command, str(path), *words, core=core())

    return runner


# --- expectations ---------------------------------------------------------------------------------


def test_a_broken_expectation_is_found_with_report_and_token(real: Any, run: Runner) -> None:
    ran = real(Explore(), REFUSED + "expect a = ok\n")
    assert ran.exit is Exit.FOUND
    assert 'detail: "expect a = ok", but a = EFAULT' in ran.stdout
    assert "found P1" in ran.stdout
    [token] = [line.split()[1] for line in ran.end if line.startswith("Token: ")]
    again = run(Replay(), token, core=core())
    assert again.exit is Exit.FOUND
    assert "expect a = ok" in pgmap.replay(token).program


def test_an_expectation_that_holds_is_no_finding(real: Any) -> None:
    ran = real(Explore(), REFUSED + "never a = EBUSY\nsometimes a = EFAULT\n", "--preemptions", "1")
    assert ran.exit is Exit.OK, ran.stdout


def test_what_is_never_seen_is_a_finding_once_the_bound_is_exhausted(real: Any) -> None:
    text = REFUSED + "sometimes a = EBUSY\n"
    ran = real(Explore(), text, "--preemptions", "1")
    assert ran.exit is Exit.FOUND
    assert (
        "never so in any schedule with at most 1 preemption: sometimes a = EBUSY" in ran.lines[-1]
    )
    verdict = pgmap.explore(text, preemptions=0)
    assert isinstance(verdict, Unseen)
    assert verdict.never == ("sometimes a = EBUSY",)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert "never so" in str(verdict)


def test_what_is_not_seen_yet_proves_nothing(real: Any) -> None:
    ran = real(Explore(), REFUSED + "sometimes a = EBUSY\n", "--schedules", "3")
    assert ran.exit is Exit.INCONCLUSIVE
    assert "not seen yet: sometimes a = EBUSY" in ran.lines[-1]


def test_a_wrong_expectation_names_its_line(real: Any) -> None:
    ran = real(Explore(), REFUSED + "expect a = EFALT\n")
    assert ran.exit is Exit.USAGE
    assert 'column 12: "EFALT" is no result (did you mean "EFAULT"?)' in ran.stderr


# --- outcomes and warnings ------------------------------------------------------------------------


def test_a_step_that_always_fails_is_warned_of_in_text_and_json(real: Any) -> None:
    text = MAPPED + "w0 pin 0 5 | w0 r 0 0\nw1 ftruncate f 0\n"
    ran = real(Explore(), text, "--preemptions", "1", "--strategy", "bounds", "--json", "-")
    told = ran.json
    n = sum(bound["schedules"] for bound in told["bounds"])
    assert told["exit"] == Exit.OK
    assert told["warnings"] == [f"w0.1 pin 0 5: EFAULT in all {n} schedules"]
    assert f"warning: w0.1 pin 0 5: EFAULT in all {n} schedules" in ran.stderr
    first, touch, _ = told["outcomes"]
    assert first == {
        "step": "w0.1",
        "label": None,
        "text": "pin 0 5",
        "results": {"EFAULT": n},
    }
    # It fails in some schedules, and that is no warning.
    assert set(touch["results"]) == {"0", "SIGBUS"}
    assert sum(touch["results"].values()) == n


def test_workers_with_nothing_in_common_are_never_green(real: Any) -> None:
    ran = real(Explore(), APART)
    assert ran.exit is Exit.NOTHING_RAN
    assert "nothing was tested: w0 and w1 touched nothing in common" in ran.lines[-1]
    assert isinstance(pgmap.explore(APART), Inconclusive)
    alone = pgmap.explore("file f 1\nstart\nw0 ftruncate f 0\n")
    assert isinstance(alone, Exhausted)
    assert alone.warnings == ()


def test_what_breaks_wins_over_nothing_in_common(real: Any) -> None:
    ran = real(Explore(), APART + "expect w0.1 = EBUSY\n")
    assert ran.exit is Exit.FOUND
    assert isinstance(pgmap.explore(APART + "never w1.1 = ok\n"), Found)


def test_racing_set_up_and_small_pmds_are_said(real: Any) -> None:
    ran = real(Explore(), "file f 1\nw0 pread f 0 1\nw1 ftruncate f 0\n", "--preemptions", "0")
    assert 'warning: no line "start": all steps run at the same time' in ran.stdout
    huge = "file f 512 huge\nw0 mmap 0 f 0 512 rw shared\nstart\nw0 w 0 0\n"
    small = real(Explore(), huge, "--preemptions", "0")
    assert "--geometry pmd_order=9" in small.stdout
    large = real(Explore(), huge, "--preemptions", "0", "--geometry", "pmd_order=9")
    assert "warning" not in large.stdout


def test_a_long_table_tells_the_steps_that_differ() -> None:
    same: Any = [
        {"step": f"w0.{n}", "label": None, "text": "nop", "results": {"0": 9}} for n in range(99)
    ]
    differs: Any = {"step": "w1.1", "label": "b", "text": "r 0 0", "results": {"0": 4, "SIGBUS": 5}}
    told = outcomes(report(outcomes=[*same, differs]), everything=False)
    assert told[1:] == [
        "  b (w1.1)  r 0 0  SIGBUS in 5, 0 in 4",
        "  and 99 more, with -v or --json",
    ]
    assert len(outcomes(report(outcomes=[*same, differs]), everything=True)) == 101
    assert results_words({"EFAULT": 1300}) == "EFAULT in all 1,300"


# --- run ------------------------------------------------------------------------------------------


def test_run_prints_what_every_step_came_to(real: Any) -> None:
    ran = real(Run(), MAPPED + "p: w0 pin 0 0\nw1 pread f 0 1\nw0 pin 0 5\n")
    assert ran.exit is Exit.OK
    rows = [line.split() for line in ran.lines[1:]]
    assert ["set-up", "w0", "w", "0", "0", "0"] in rows
    assert ["p", "(w0.1)", "pin", "0", "0", "1"] in rows
    assert ["w0.2", "pin", "0", "5", "EFAULT"] in rows
    assert ["w1.1", "pread", "f", "0", "1", "4096"] in rows
    assert "it ran, and w0.2 failed" in ran.lines[-1]


def test_run_names_the_line_of_a_set_up_that_fails(real: Any) -> None:
    ran = real(Run(), "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 5\nstart\nw0 nop\n")
    assert ran.exit is Exit.USAGE
    assert "line 3: w0 pin 0 5: failed with EFAULT in the set-up" in ran.stderr


def test_run_says_who_waits_for_ever(real: Any) -> None:
    ran = real(Run(), "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\nstart\nw1 ftruncate f 0\n")
    assert ran.exit is Exit.HANG
    assert any(line.startswith("waiting: w1 waits for page to become idle") for line in ran.lines)
    assert "waits for ever" in ran.lines[-1]


def test_run_holds_a_program_to_what_it_expects(real: Any) -> None:
    assert real(Run(), MAPPED + "w0 pin 0 5\nexpect w0.1 = EFAULT\n").exit is Exit.OK
    ran = real(Run(), MAPPED + "w0 pin 0 5\nexpect w0.1 = ok\n", "--json", "-")
    assert ran.exit is Exit.FOUND
    assert ran.json["finding"]["invariant"] == "P1"
    assert ran.json["steps"][0]["outcome"] == "EFAULT"


def test_a_known_race_in_a_run_is_no_news(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "program.txt"
    path.write_text(MAPPED, encoding="utf-8")
    finding: Any = {
        "sort": "violation",
        "invariant": "I13-strong",
        "title": "gone",
        "page": None,
        "parties": [],
        "detail": "",
        "waits": [],
        "known": "B31",
    }
    fake = FakeCore(once=run_report(ended="found", finding=finding))
    assert run(Run(), str(path), core=fake).exit is Exit.OK
    fake = FakeCore(once=run_report(ended="found", finding={**finding, "known": None}))
    assert run(Run(), str(path), core=fake).exit is Exit.FOUND


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Explore(), ["--era", "v6.15", "--era", "v6.15-sound"]),
        (Explore(), ["--preemptions", "1", "--break", "a=b", "--preemptions=2"]),
        (Replay(), ["TOKEN", "--era=v6.15", "--era", "v6.15"]),
        (Stress(), ["--for", "1s", "--for", "2s"]),
        (Stress(), ["--color", "never", "--color", "always"]),
        (Bench(), ["core", "--for", "1s", "--for", "1s"]),
        (Selftest(), ["--progress", "none", "--progress", "none"]),
        (Conform(), ["x.json", "--era", "v6.15", "--era", "v6.15"]),
        (Run(), ["p", "--geometry", "pages=32", "--geometry", "pmd_order=3"]),
    ],
)
def test_of_two_values_for_one_option_neither_is_taken(
    run: Runner, command: Command, words: list[str]
) -> None:
    ran = run(command, *words)
    assert ran.exit is Exit.USAGE
    assert "given twice, and it takes one value" in ran.stderr


def test_options_that_repeat_and_options_given_once_are_fine(run: Runner) -> None:
    breaks = ["--break", "zap-put=before-flush", "--break", "gup-pte-recheck=off"]
    fake = FakeCore(explores=[FakeExplore(report())])
    words = [*breaks, "--era", "v6.15", "-q", "-q"]
    run(Explore(), *words, core=fake)
    assert "given twice" not in run(Explore(), "--era", "v6.15", *words[-2:], core=fake).stderr


# --- lock order -----------------------------------------------------------------------------------

RACE = "file f 1 unwritten\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 r 0 0\nw1 pwrite f 0 1\n"
KEPT = ("--break", "iomap-lock=until-end", "--preemptions", "0")


def test_a_wrong_lock_order_is_told_with_both_orders_and_who_took_them(real: Any) -> None:
    ran = real(Explore(), RACE, *KEPT)
    [line] = [line for line in ran.lines if line.startswith("lock order: ")]
    assert line.startswith("lock order: DAX entry goes before extent lock, but w1 pwrite waits for")
    assert "; the right way round: w0 read waits for extent lock in " in line
    [order] = real(Explore(), RACE, *KEPT, "--json", "-").json["lock_orders"]
    assert (order["wrong"]["outer"], order["wrong"]["inner"]) == ("extent lock", "DAX entry")


def test_a_lock_order_is_part_of_the_verdict() -> None:
    right = pgmap.explore(RACE, preemptions=1)
    assert right.lock_orders == ()
    wrong = pgmap.explore(RACE, preemptions=0, rules={"iomap-lock": "until-end"})
    [order] = wrong.lock_orders
    assert str(order).startswith("wrong lock order: DAX entry under extent lock (w1 pwrite, ")
    assert pickle.loads(pickle.dumps(order)) == order
