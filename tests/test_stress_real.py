"""`python -m pgmap.stress` with real threads: clean rules stay clean, wrong rules are found.

How long a wrong rule takes to be found is a matter of luck and of the machine; the budgets here are
many times the usual time, and nothing is asserted about how much of them was used.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

import children
from pgmap import _core, errors
from pgmap._exit import Exit

pytestmark = pytest.mark.stress

SLOW_PATHS = {
    "recheck_lost",
    "layout_slept",
    "head_changed",
    "kill_with_refs",
    "table_freed_under_walker",
}

# The rule, the invariants its violation may be told as. What is seen first depends on the race.
WRONG = {
    "gup-pte-recheck=off": {"I24", "I18", "I01", "I02", "I17", "I22"},
    "zap-put=before-flush": {"I22", "I18", "I02", "I01"},
    "truncate-break-layout=off": {"I18"},
    "block-free=before-idle": {"I18"},
    "memunmap-wait=off": {"I13-weak", "I13-strong"},
    "free-push=before-settled": {"I10", "I09", "I01"},
}


def stress(*arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "pgmap.stress", "--json", "-", *arguments]
    done = children.run(command)
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return done.returncode, report


def test_the_sound_era_is_clean_and_its_books_balance() -> None:
    code, report = stress("--seed", "1", "--ops", "400000")
    assert (code, report["violations"], report["hang"]) == (Exit.OK, [], None)
    assert report["quiescent"]
    assert report["complete"]
    assert report["rounds"] > 0
    assert report["ops"] >= 400_000
    assert set(report["slow_paths"]) >= SLOW_PATHS
    # What no run of this length does without.
    for path in ("gup_fast", "gup_slow", "layout_slept", "kill_with_refs", "pmd_mapped"):
        assert report["slow_paths"][path] > 0, path


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_rule_is_found_and_named(rule: str) -> None:
    code, report = stress("--seed", "7", "--for", "120s", "--break", rule)
    assert code == Exit.FOUND
    assert report["broken"] == [rule]
    [found] = report["violations"]
    assert found["invariant"] in WRONG[rule]
    assert found["known"] is None
    assert found["page"].startswith("0x")
    noticed, other, *meanwhile = found["parties"]
    assert not noticed.startswith("meanwhile")
    assert not other.startswith("meanwhile")
    assert all(party.startswith("meanwhile w") for party in meanwhile)
    told = report["reproduced"]["found"]
    assert told["setting"]["broken"] == [rule]
    assert "CPU0" in told["text"]
    assert _core.replay(told["token"])["outcome"] == "reproduced"


def mends_of_all_but(known: str) -> list[str]:
    """``--break RULE=VALUE`` for each known race of v6.15 that another rule makes than this one."""
    [era] = [era for era in _core.facts()["eras"] if era["name"] == "v6.15"]
    [mine] = [race["rule"][0] for race in era["known"] if race["id"] == known]
    others = {(race["rule"][0], race["mend"]) for race in era["known"] if race["rule"][0] != mine}
    return [word for rule, mend in sorted(others) for word in ("--break", f"{rule}={mend}")]


@pytest.mark.parametrize("known", ["B31", "B33"])
def test_a_faithful_era_reports_its_known_races_as_known(known: str) -> None:
    """With the rules behind all others set right, so that one kind is left."""
    arguments = ("--era", "v6.15", *mends_of_all_but(known), "--for", "6s", "--keep-going")
    code, report = stress("--seed", "3", *arguments)
    assert code == Exit.OK
    assert {found["known"] for found in report["violations"]} == {known}


def test_a_known_race_is_news_when_the_era_does_not_list_it() -> None:
    code, report = stress("--seed", "3", "--for", "60s", "--break", "teardown-pages=ignore")
    assert code == Exit.FOUND
    assert [found["invariant"] for found in report["violations"]] == ["I13-strong"]


def test_waiting_with_the_fault_lock_held_hangs_and_says_who_waits_for_whom() -> None:
    arguments = ("--break", "wait-drops-lock=off", "--watchdog", "1s", "--for", "60s")
    code, report = stress("--seed", "5", *arguments)
    assert code == Exit.HANG
    waiters = report["hang"]["waiters"]
    # Whether the ring can be named depends on who is in it: a lock does not know its readers.
    assert report["hang"]["kind"] == "deadlock"
    assert any("page to become idle" in line for line in waiters)
    assert any("invalidate_lock" in line for line in waiters)
    assert any("held by" in line for line in waiters)
    told = report["reproduced"]
    assert told["exact"]
    assert told["found"]["finding"]["sort"] == "deadlock"


def test_two_locks_in_a_circle_hang_and_say_who_holds_which() -> None:
    arguments = ("--break", "iomap-lock=until-end", "--watchdog", "1s", "--for", "60s")
    code, report = stress("--seed", "7", *arguments)
    assert code == Exit.HANG
    waiters = report["hang"]["waiters"]
    assert any("for DAX entry" in line and "held by" in line for line in waiters)
    assert any("for extent lock" in line for line in waiters)


def test_a_call_that_goes_round_in_circles_is_no_verdict_and_the_explorer_has_one() -> None:
    arguments = ("--break", "busy-scan=next-index", "--watchdog", "1s", "--for", "60s")
    code, report = stress("--seed", "7", *arguments)
    assert (code, report["hang"], report["violations"]) == (Exit.INCONCLUSIVE, None, [])
    assert "of CPU time in one call" in report["no_verdict"]
    assert report["reproduced"]["found"]["finding"]["invariant"] == "L3"


@pytest.mark.parametrize(
    ("rule", "wait"),
    [
        ("entry-wait-key=unrounded", "for DAX entry"),
        ("idle-pred=ref-zero", "for page to become idle"),
    ],
)
def test_a_wake_up_that_nobody_sends_is_found_by_the_state_of_things(rule: str, wait: str) -> None:
    code, report = stress("--seed", "7", "--ops", "3000000", "--no-explain", "--break", rule)
    assert code == Exit.HANG
    assert report["hang"]["kind"] == "lost wake-up"
    sleeper = report["hang"]["sleeper"]
    assert any(
        line.startswith(f"{sleeper} waits") and wait in line for line in report["hang"]["waiters"]
    )


def test_a_pagemap_reference_too_many_hangs_unbind_or_unbalances_the_books() -> None:
    arguments = ("--break", "request-folio=by-inspection", "--watchdog", "1s", "--for", "240s")
    code, report = stress("--seed", "1", "--mix", "gup", *arguments)
    assert code in {Exit.HANG, Exit.FOUND}
    told = (report["hang"] or {}).get("waiters", [])
    told += [found["detail"] for found in report["violations"]]
    assert any("pagemap" in line for line in told)


def test_ctrl_c_gives_what_there_is() -> None:
    command = [sys.executable, "-m", "pgmap.stress", "--json", "-", "--for", "5m"]
    code, stdout = children.interrupted(command, "seed")
    report = json.loads(stdout)
    assert code == Exit.INTERRUPTED
    assert report["complete"] is False


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"era": "v9.99"}, errors.EraError),
        ({"breaks": (("zap-put", "never"),)}, errors.RuleError),
        ({"breaks": (("no-such-rule", "on"),)}, errors.RuleError),
        ({"mix": "salad"}, errors.InvalidArgument),
        ({"threads": 0}, errors.InvalidArgument),
        ({"threads": 65}, errors.InvalidArgument),
        ({"pages": 0}, errors.InvalidArgument),
        ({"seconds": float("nan")}, errors.InvalidArgument),
        ({"seconds": -1.0}, errors.InvalidArgument),
        ({"watchdog": "soon"}, errors.InvalidArgument),
        ({"seed": -1}, errors.InvalidArgument),
    ],
)
def test_a_bad_configuration_starts_nothing(
    change: dict[str, Any], error: type[errors.PgmapError]
) -> None:
    good: dict[str, Any] = {
        "era": "v6.15-sound",
        "breaks": (),
        "seed": 1,
        "threads": 2,
        "mix": "default",
        "pages": None,
        "seconds": 0.1,
        "ops": None,
        "watchdog": 1.0,
        "max_failures": 1,
    }
    with pytest.raises(error) as raised:
        _core.stress_start({**good, **change})
    assert str(raised.value)
