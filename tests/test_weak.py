"""Wrong rules that x86 does not show: every command that cannot show them says what does."""

from __future__ import annotations

import pytest

from fake_core import FakeCore
from fake_facts import PROGRAM
from pgmap import _core
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap.selftest import Selftest
from pgmap.stress import Stress
from ran import Runner

WRONG = "gup-grab=relaxed"
SAYS = f"Not on x86: {WRONG} is the same instruction there."
LISTED = [f"{entry['rule']}={entry['value']}" for entry in _core.catalogue()["not_on_x86"]]


@pytest.mark.parametrize("words", [[], ["--hunt", "all"]])
def test_a_search_that_cannot_show_a_rule_says_what_does(run: Runner, words: list[str]) -> None:
    ran = run(Explore(), "--break", WRONG, *words)
    assert ran.exit is Exit.OK
    assert SAYS in ran.lines[-1]
    assert ran.lines[-1].endswith("cargo test -p pgmap-mm-weak pinner_and_unmapper")


@pytest.mark.parametrize("command", [Explore(), Stress()])
def test_a_rule_that_can_be_shown_is_not_excused(run: Runner, command: Explore | Stress) -> None:
    assert "x86" not in run(command, "--break", "zap-put=before-flush").stdout


def test_real_threads_do_not_show_it_either_and_say_so(run: Runner) -> None:
    assert any(SAYS in line for line in run(Stress(), "--break", WRONG).lines)


def test_its_program_is_one_that_executes_it(run: Runner) -> None:
    fake = FakeCore()
    run(Explore(), "--break", WRONG, core=fake)
    assert fake.asked[0]["program"] == PROGRAM
    assert fake.asked[0]["breaks"] == (("gup-grab", "relaxed"),)


def test_the_self_test_lists_it_and_does_not_run_it(run: Runner) -> None:
    listed = run(Selftest(), "--list")
    assert f"{WRONG:34} {'not on x86':10}" in listed.stdout
    ran = run(Selftest(), WRONG)
    assert ran.exit is Exit.USAGE
    assert SAYS in ran.stderr


@pytest.mark.parametrize("name", LISTED)
def test_the_explorer_is_silent(run: Runner, name: str) -> None:
    ran = run(Explore(), "--break", name, "--preemptions", "1", core=core())
    assert ran.exit is Exit.OK
    assert "exhausted: nothing fails" in ran.lines[-2]
    assert f"Not on x86: {name}" in ran.lines[-1]


def test_there_are_some() -> None:
    assert WRONG in LISTED
