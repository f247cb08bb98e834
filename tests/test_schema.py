"""What the commands print has the shape they say it has, and the shapes ship with the package."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError, validate

from fake_core import FakeCore
from pgmap._core_api import core
from pgmap._explore import Explore
from pgmap._schema import FOLDER, all_schemas, text_of
from pgmap.explain import Explain
from pgmap.selftest import Selftest
from ran import Runner

SCHEMAS = all_schemas()


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_ships_as_it_is_now(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    kept = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert kept == text_of(SCHEMAS[name]), "python -m pgmap._schema python/pgmap/schemas"


def test_no_schema_ships_for_a_command_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SCHEMAS)


@pytest.fixture
def told(run: Runner) -> dict[str, Any]:
    return run(Explore(), "--break", "zap-put=before-flush", "--json", "-", core=FakeCore()).json


def fits(value: dict[str, Any]) -> bool:
    try:
        validate(value, SCHEMAS[value["command"]])
    except ValidationError:
        return False
    return True


def test_what_is_missing_added_or_of_another_type_does_not_fit(told: dict[str, Any]) -> None:
    assert fits(told)
    for key in told:
        less = {name: value for name, value in told.items() if name != key}
        assert key == "command" or not fits(less), key
    assert not fits({**told, "news": 1})
    assert not fits({**told, "seconds": "1.0"})
    inner = copy.deepcopy(told)
    del inner["setting"]["era"]
    assert not fits(inner)
    assert not fits({**told, "schema": "pgmap-explore/2"})


def test_without_a_result_there_is_a_reason_or_an_interruption(run: Runner) -> None:
    refused = run(Explore(), "--frobnicate", "--json", "-").json
    assert "unrecognized arguments" in refused["error"]["message"]
    helped = run(Explore(), "--help", "--json", "-").json
    assert helped["text"].startswith("usage:")
    envelope = {name: refused[name] for name in refused if name != "error"}
    assert not fits(envelope)
    assert fits({**envelope, "exit": 130})


@pytest.mark.parametrize(
    ("command", "words"),
    [(Explain(), ()), (Explain(), ("B31", "I22")), (Selftest(), ("--list",))],
)
def test_what_the_real_core_knows_fits(run: Runner, command: Any, words: tuple[str, ...]) -> None:
    assert run(command, *words, "--json", "-", core=core()).json["ok"]
