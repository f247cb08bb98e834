"""``explore --between``: which rules decide between two eras."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pgmap import _core, _schema
from pgmap._between import smallest
from pgmap._exit import Exit
from pgmap._explore import Explore, main

RULES = ("a", "b", "c", "d", "e", "f")
FILES = "free-push=before-settled,split-freeze=ignored"
"""Wrong rules of the driver's own memory, which no file meets."""
MEMORY = "evict-wait=none,exit-fput=newest-first"
"""Wrong rules of files, which the driver's own memory does not meet."""
PLANTED = (
    ("gup-pte-recheck", FILES),
    ("zap-put", FILES),
    ("write-invalidate", FILES),
    ("truncate-break-layout", FILES),
    ("block-free", FILES),
    ("evict-wait", FILES),
    ("memunmap-wait", FILES),
    ("wait-drops-lock", FILES),
    ("iomap-lock", FILES),
    ("idle-pred", FILES),
    ("entry-wait-key", FILES),
    ("free-push", MEMORY),
    ("split-freeze", MEMORY),
)


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main([*words, "--progress", "none", "--json", "-"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    command = Explore()
    jsonschema.validate(told, _schema.of_command(command.name, command.about, command.objects))
    return code, told


def of_race(name: str, tmp_path: Path) -> tuple[str, str]:
    """A file with the program of a race, and its wrong rule."""
    race = next(it for it in _core.catalogue()["known"] if it["name"] == name)
    ((rule, value),) = race["wrong"]
    path = tmp_path / f"{name}.txt"
    path.write_text(race["program"])
    return str(path), f"{rule}={value}"


@pytest.mark.parametrize("size", range(1, 7))
def test_the_smallest_sets_are_found_whatever_their_size(size: int) -> None:
    needed = set(RULES[:size])
    assert smallest(RULES, needed.issubset) == [frozenset(needed)]


def test_of_several_smallest_sets_each_is_told() -> None:
    any_two = set(map(frozenset, combinations(RULES, 2)))
    assert set(smallest(RULES, lambda some: len(some) >= 2)) == any_two


def test_a_set_is_told_only_if_it_is_enough_by_itself() -> None:
    """With ``c`` alone it ends as wished, with ``a`` besides it does not."""
    assert smallest(RULES, lambda some: "c" in some and "a" not in some) == [frozenset("c")]


@pytest.mark.parametrize(("race", "others"), PLANTED)
def test_of_three_wrong_rules_the_one_that_matters_is_named(
    race: str, others: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program, wrong = of_race(race, tmp_path)
    sides = ("v6.15-sound", f"v6.15-sound,{others},{wrong}")
    code, told = ran(capsys, program, "--between", *sides)
    assert code == Exit.OK
    rule, value = wrong.split("=")
    there, back = told["between"]["towards"]
    ((change,),) = there["sets"]
    assert (change["rule"], change["to"]) == (rule, value)
    ((mend,),) = back["sets"]
    assert mend == {"rule": rule, "of": value, "to": change["of"]}
    assert told["between"]["differ"] == 3


def test_eras_under_which_it_ends_alike_have_no_rule_that_decides(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program, _ = of_race("zap-put", tmp_path)
    code = main([program, "--between", "v6.12-sound", "v6.15-sound"])
    assert code == Exit.OK
    assert "it ends alike under both, so no rule decides" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--between", "v6.15", "v6.15"), "the same rules"),
        (("--between", "v6.15", "v9.9"), "no era is called"),
        (("--between", "v6.15", "v6.12,zap-put"), "not RULE=VALUE"),
        (("--between", "v6.15", "v6.12,zap-put=never"), "zap-put"),
        (("--between", "v6.15", "v6.12", "--era", "v7.2"), "--between names both eras"),
        (("--between", "v6.15", "v6.12", "--hunt", "all"), "--between is about one program"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program, _ = of_race("zap-put", tmp_path)
    given = words if "--hunt" in words else (program, *words)
    assert main([*given, "--progress", "none"]) == Exit.USAGE
    assert sentence in capsys.readouterr().err


def test_a_search_that_cannot_tell_is_no_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program, wrong = of_race("zap-put", tmp_path)
    sides = ("v6.15-sound", f"v6.15-sound,{wrong}")
    code, told = ran(capsys, program, "--between", *sides, "--max-steps", "20")
    assert code == Exit.INCONCLUSIVE
    assert [side["ends"] for side in told["between"]["sides"]] == [None, None]
    assert told["between"]["towards"] == []
