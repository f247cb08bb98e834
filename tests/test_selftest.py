"""`python -m pgmap.selftest`."""

from __future__ import annotations

import pytest

from fake_core import FakeCore, FakeExplore
from fake_reports import explore_report as report
from fake_reports import found as a_failure
from fake_reports import replayed
from pgmap import _core
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap.selftest import Selftest
from ran import Runner

RULE = "zap-put=before-flush"


def wrong(**changes: object) -> FakeExplore:
    return FakeExplore(report(verdict="found", found=a_failure(**changes)))


def right() -> FakeExplore:
    return FakeExplore(report())


def test_the_list_names_every_wrong_rule(run: Runner) -> None:
    ran = run(Selftest(), "--list", "--json", "-", core=core())
    assert ran.exit is Exit.OK
    known = [
        " ".join(f"{rule}={value}" for rule, value in entry["wrong"])
        for entry in _core.catalogue()["known"]
    ]
    assert ran.json["wrong_rules"] == known
    assert len(known) >= 11
    text = run(Selftest(), "--list", core=core())
    assert all(name in text.stdout for name in known)


def test_found_replayed_and_exhausted_is_ok(run: Runner) -> None:
    fake = FakeCore(explores=[wrong(), right()])
    ran = run(Selftest(), RULE, "--replays", "3", "--json", "-", core=fake)
    assert ran.exit is Exit.OK
    [row] = ran.json["rows"]
    assert (row["ok"], row["replays"], row["failures"]) == (True, 3, [])
    assert [asked["preemptions"] for asked in fake.asked if isinstance(asked, dict)] == [1, 2]


@pytest.mark.parametrize(
    ("fake", "failure"),
    [
        (FakeCore(explores=[right(), right()]), "wrong rule not found"),
        (FakeCore(explores=[wrong(preemptions=0), right()]), "found with 0 preemptions"),
        (FakeCore(explores=[wrong(), wrong()]), "right rules not exhausted: found"),
        (
            FakeCore(explores=[wrong(), right()], again=replayed(outcome="cannot", why="step 3")),
            "replay 1 cannot: step 3",
        ),
    ],
)
def test_whatever_is_not_as_known_is_a_failure(run: Runner, fake: FakeCore, failure: str) -> None:
    ran = run(Selftest(), RULE, core=fake)
    assert ran.exit is Exit.FOUND
    assert failure in ran.stdout
    assert "FAILED" in ran.stdout


def test_what_needs_weaker_memory_must_be_silent_without(run: Runner) -> None:
    fake = FakeCore(explores=[wrong(), right(), right()])
    ran = run(Selftest(), "zap-clear=load-store", "--json", "-", core=fake)
    assert ran.exit is Exit.OK
    asked = [it["memory"] for it in fake.asked if isinstance(it, dict)]
    assert asked == ["tso", "tso", "sc"]
    assert ran.json["rows"][0]["silent"]["verdict"] == "exhausted"
    loud = FakeCore(explores=[wrong(), right(), wrong()])
    ran = run(Selftest(), "zap-clear=load-store", core=loud)
    assert ran.exit is Exit.FOUND
    assert "not silent on sc: found" in ran.stdout


def test_an_unknown_rule_lists_those_there_are(run: Runner) -> None:
    ran = run(Selftest(), "zap-put=sometimes")
    assert ran.exit is Exit.USAGE
    assert RULE in ran.stderr


@pytest.mark.parametrize(
    "name", [RULE, "free-push=before-settled", "idle-pred=ref-zero", "zap-clear=load-store"]
)
def test_a_wrong_rule_is_found_and_a_right_one_exhausted(run: Runner, name: str) -> None:
    ran = run(Selftest(), name, "--json", "-", core=core())
    assert ran.exit is Exit.OK
    # One rule may be wrong in several races.
    assert ran.json["rows"]
    for row in ran.json["rows"]:
        assert row["ok"]
        assert row["replays"] == 100
        assert (row["wrong"]["verdict"], row["right"]["verdict"]) == ("found", "exhausted")
