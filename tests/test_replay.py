"""`python -m pgmap.replay` and `pgmap.replay`."""

from __future__ import annotations

import json
import pickle
import random
import re
from pathlib import Path

import pytest

import pgmap
from fake_core import FakeCore
from fake_reports import TOKEN
from fake_reports import found as found_report
from fake_reports import replayed as told
from pgmap import Found, _core, errors
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._replay import Replay
from pgmap.verdicts import Finding, Met, Setting
from ran import Runner

KNOWN = {entry["name"]: entry for entry in _core.catalogue()["known"]}
ZAP = KNOWN["zap-put"]


@pytest.fixture(scope="module")
def found() -> Found:
    verdict = pgmap.explore(ZAP["program"], rules={ZAP["rule"]: ZAP["value"]})
    assert isinstance(verdict, Found)
    return verdict


def test_cannot_is_125_and_names_the_step(run: Runner) -> None:
    again = told(outcome="cannot", step=17, why="it left its schedule at step 17", found=None)
    ran = run(Replay(), TOKEN, core=FakeCore(again=again))
    assert ran.exit is Exit.REPLAY_IMPOSSIBLE
    assert "step 17" in ran.lines[-1]


def test_quiet_is_the_result_and_nothing_else(run: Runner, found: Found) -> None:
    assert run(Replay(), found.token, core=core()).stdout.count("\n") > 20
    ran = run(Replay(), "-q", found.token, core=core())
    assert ran.exit is Exit.FOUND
    assert ran.lines == [f"Result: reproduced: I22 {found.finding.title}"]


def test_colour_is_for_the_diagram_too(run: Runner, found: Found) -> None:
    plain = run(Replay(), found.token, core=core()).lines
    inked = run(Replay(), "--color", "always", found.token, core=core()).lines
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in inked] == plain
    coloured = [line for line, was in zip(inked, plain, strict=True) if line != was]
    for part in ("BUG: pgmap", "  <-", "... 10 steps", "folio_put_refs: refcount"):
        assert any(part in line for line in coloured), part


def test_a_report_with_a_byte_order_mark_is_read(run: Runner, tmp_path: Path) -> None:
    text = json.dumps({"text": f"Reproduce: \\\n{TOKEN}", "token": TOKEN})
    (tmp_path / "report.json").write_text(text, encoding="utf-8-sig")
    fake = FakeCore()
    run(Replay(), str(tmp_path / "report.json"), core=fake)
    assert fake.asked[0][0] == TOKEN


def test_failing_in_another_way_is_not_survival(run: Runner) -> None:
    again = told(outcome="not-reproduced", own_rules=False)
    ran = run(Replay(), TOKEN, "--era", "v6.15", core=FakeCore(again=again))
    assert ran.exit is Exit.FOUND
    assert "fails in another way" in ran.stdout


def test_a_known_race_fails_no_replay_unless_it_is_wanted(run: Runner) -> None:
    found = found_report()
    found["finding"]["known"] = "B50"
    found["finding"]["goes_away_with"] = "teardown-pages=wait-idle"
    again = told(outcome="reproduced", found=found)
    ran = run(Replay(), TOKEN, core=FakeCore(again=again))
    assert ran.exit is Exit.OK
    assert "(known: B50; goes away with teardown-pages=wait-idle)" in ran.lines[-1]
    assert run(Replay(), TOKEN, "--known", core=FakeCore(again=again)).exit is Exit.FOUND


def test_the_options_reach_the_core(run: Runner) -> None:
    fake = FakeCore()
    run(Replay(), TOKEN, "--era", "v6.15", "--break", "a=b", "--step", core=fake)
    assert fake.asked == [(TOKEN, "v6.15", [("a", "b")], True)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nothing here", "no token"),
        ("", "no token"),
        ("pgm3:AAAA and pgm3:BBBB", "2 different tokens"),
    ],
)
def test_a_file_without_exactly_one_token_is_refused(
    run: Runner, tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    ran = run(Replay(), str(path))
    assert ran.exit is Exit.USAGE
    assert sentence in ran.stderr


def test_what_is_neither_token_nor_file_is_refused(run: Runner) -> None:
    ran = run(Replay(), "no-such-file")
    assert ran.exit is Exit.USAGE
    assert "neither a token" in ran.stderr


def test_a_report_a_mail_and_the_json_all_carry_the_token(
    run: Runner, found: Found, tmp_path: Path
) -> None:
    texts = [
        found.report,
        "".join(f"> {line}\n" for line in found.report.splitlines()),
        json.dumps({"token": found.token, "found": {"text": found.report}}),
        found.token + "\n",
    ]
    for text in texts:
        path = tmp_path / "file"
        path.write_text(text)
        ran = run(Replay(), str(path), core=core())
        assert ran.exit is Exit.FOUND, text
        assert f"reproduced: {found.finding.invariant}" in ran.lines[-1]


def test_every_step_can_be_walked(run: Runner, found: Found) -> None:
    ran = run(Replay(), found.token, "--step", "--json", "-", core=core())
    steps = ran.json["steps"]
    events = [step for step in steps if step["kind"] in ("step", "section", "spin", "choice")]
    assert [step["n"] for step in events] == list(range(ran.json["events"]))
    assert {step["who"] for step in steps} == {"w0", "w1"}
    assert all(step["function"] for step in steps if step["kind"] == "step")
    words = run(Replay(), found.token, "--step", core=core()).stdout
    assert "pfn 0x4 -> none" in words
    assert "w1 ftruncate f 0" in words


def test_the_function_says_the_same(found: Found) -> None:
    again = pgmap.replay(found.token)
    assert again.outcome == "reproduced"
    assert again.finding == found.finding
    assert again.report is not None
    assert str(again).startswith("reproduced\n")
    assert pickle.loads(pickle.dumps(again)) == again
    names = {"Replay": pgmap.Replay, "Finding": Finding, "Setting": Setting}
    assert eval(repr(again), names) == again
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(again)


def test_the_right_rule_survives_the_same_schedule(run: Runner, found: Found) -> None:
    assert pgmap.replay(found.token, rules={"zap-put": "after-flush"}).outcome == "not-reproduced"
    ran = run(Replay(), found.token, "--era", "v6.15-sound", core=core())
    assert ran.exit is Exit.OK
    assert "not reproduced" in ran.lines[-1]


@pytest.mark.parametrize("token", ["", "pgm3", "pgm3:", "pgm3:####", "pgm3:AAAA", "pgm:AA", "x:y"])
def test_a_word_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(errors.TokenError) as raised:
        pgmap.replay(token)
    assert len(str(raised.value)) > 10


def test_a_token_of_another_format_cannot_be_replayed(run: Runner) -> None:
    ran = run(Replay(), "pgm9:AAAA", core=core())
    assert ran.exit is Exit.REPLAY_IMPOSSIBLE
    assert "pgm9" in ran.stderr


# Made by a version whose tokens knew words by where they lay in memory.
OLD = (
    "pgm1:C3Y2LjE1LXNvdW5kARR6YXAtcHV0PWJlZm9yZS1mbHVzaAICgAgCEAgECAQICAQECFdmaWxlIGYgMSB3cml0dGVuCn"
    "cwIG1tYXAgMCBmIDAgMSBydyBzaGFyZWQKdzAgdyAwIDAKc3RhcnQKdzAgbXVubWFwIDAKdzEgZnRydW5jYXRlIGYgMAoB"
    "XAEkAajK83ip3eRiAPnGnoq1hj0Jlf__gQ"
)


def test_a_token_of_an_old_format_says_why_it_cannot_be_replayed(run: Runner) -> None:
    ran = run(Replay(), OLD, core=core())
    assert ran.exit is Exit.REPLAY_IMPOSSIBLE
    assert "the token has format pgm1, which knows memory by where it lay" in ran.stderr
    assert "explore the program again" in ran.stderr


def test_no_damage_to_a_token_is_more_than_an_error(found: Found) -> None:
    draw = random.Random(7)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for _ in range(500):
        word = list(found.token)
        for _ in range(draw.randint(1, 3)):
            word[draw.randrange(len(word))] = draw.choice(letters)
        damaged = "".join(word)[: draw.randint(1, len(word))]
        if damaged == found.token:
            continue
        with pytest.raises((errors.TokenError, errors.ReplayImpossible)):
            pgmap.replay(damaged)


@pytest.mark.parametrize("token", [None, 7, b"pgm3:AAAA"])
def test_a_token_is_a_str(token: object) -> None:
    with pytest.raises(TypeError, match="must be a str"):
        pgmap.replay(token)  # type: ignore[arg-type]


def test_unknown_rules_and_eras_are_refused(found: Found) -> None:
    with pytest.raises(errors.EraError):
        pgmap.replay(found.token, era="v9.99")
    with pytest.raises(errors.RuleError):
        pgmap.replay(found.token, rules={"no-such-rule": "on"})


def test_a_report_that_names_its_token_twice_has_one(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text(f"Reproduce: replay \\\n{TOKEN}\n{TOKEN}\n")
    fake = FakeCore()
    run(Replay(), str(path), core=fake)
    assert [asked[0] for asked in fake.asked] == [TOKEN]


def test_a_finding_and_a_race_that_was_met_are_each_told_in_a_line() -> None:
    finding = Finding("violation", "I22", "put before the flush", 4, ("w0 munmap",), "", (), None)
    assert str(finding) == "I22 put before the flush on page 4 (w0 munmap)"
    met = Met("B33", "never woken", 3, "idle-pred=ref-equals-map", "pgm3:abc")
    assert str(met) == "B33 never woken (3x, goes away with idle-pred=ref-equals-map)"
