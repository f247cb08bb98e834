"""`python -m pgmap.rules`: what each era does, and how that is known."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._output import Output
from pgmap.rules import Rules, tell
from ran import Runner

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"


def test_the_matrix_has_every_rule_in_every_era(run: Runner) -> None:
    ran = run(Rules(), core=core())
    assert ran.exit is Exit.OK
    facts = core().facts()
    assert ran.lines[0].split() == ["rule", *(era["name"] for era in facts["eras"])]
    for rule, line in zip(facts["rules"], ran.lines[1:], strict=False):
        assert line.split() == [rule["name"], *rule["eras"].values()]
    for era in facts["eras"]:
        assert f"{era['name']}: {era['summary']}" in ran.stdout
    assert "\x1b" not in ran.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_drawn_and_what_changes_stands_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    facts = core().facts()
    tell(Output(None), facts["rules"], facts["eras"])
    [idle] = [line for line in shown.getvalue().splitlines() if "idle-pred" in line]
    [put] = [line for line in shown.getvalue().splitlines() if "zap-put" in line]
    assert "\x1b[1mref-equals-map" in idle
    assert "\x1b" not in put.split("zap-put")[1]


def test_two_eras_are_told_by_what_differs(run: Runner) -> None:
    ran = run(Rules(), "--era", "v6.15", "--era", "v6.15-sound", core=core())
    rows = dict(line.split(maxsplit=1) for line in ran.lines[1:-1])
    assert rows["idle-pred"].split() == ["ref-zero", "ref-equals-map"]
    assert "zap-put" not in rows
    assert ran.lines[-1] == f"v6.15 and v6.15-sound differ in {len(rows)} rules"


def test_one_era_alone_is_a_column(run: Runner) -> None:
    told = run(Rules(), "--era", "v6.15", "--json", "-", core=core()).json
    assert [era["name"] for era in told["eras"]] == ["v6.15"]
    assert all(list(rule["eras"]) == ["v6.15"] for rule in told["rules"])


def eras_with(value: str) -> str:
    """The words for the eras that have this value of ``idle-pred``."""
    [rule] = [rule for rule in core().facts()["rules"] if rule["name"] == "idle-pred"]
    return f"eras: {', '.join(era for era, its in rule['eras'].items() if its == value)}"


@pytest.mark.parametrize("name", ["idle-pred", "idle_pred", "idle-pred=ref-zero"])
def test_a_rule_is_told_with_its_values_kernels_and_sources(run: Runner, name: str) -> None:
    told = " ".join(run(Rules(), name, core=core()).stdout.split())
    assert told.startswith("idle-pred What a layout break sleeps for")
    assert "idle-pred=ref-zero refcount 0, although" in told
    kernels = "kernels: v6.15 and later; recorded on 6.16, 6.18 and 7.2"
    assert f"{eras_with('ref-zero')} {kernels}" in told
    assert "known from recordings of running kernels: recordings *_refault_while_*" in told
    assert "python -m pgmap.races show idle-pred" in told
    assert "idle-pred=ref-equals-map refcount equal to mapcount" in told
    assert f"{eras_with('ref-equals-map')} kernels: none known from reasoning alone: a mend" in told
    assert told.endswith("related: python -m pgmap.explain B33 L2")


def test_each_way_of_knowing_occurs(run: Runner) -> None:
    told = run(Rules(), "--json", "-", core=core()).json
    assert told["schema"] == "pgmap-rules/1"
    hows = {value["how"] for rule in told["rules"] for value in rule["values"]}
    assert hows == {"recorded", "source", "thread", "derived"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["idle-prd"], "no rule is called 'idle-prd' (did you mean idle-pred?)"),
        (["--era", "v6.51"], 'no era is called "v6.51"'),
        (["--era", "v6.15", "--era", "v6.15-sound", "--era", "v6.15"], "one era, or two"),
    ],
)
def test_what_does_not_exist_is_a_usage_error(run: Runner, words: list[str], told: str) -> None:
    ran = run(Rules(), *words, core=core())
    assert ran.exit is Exit.USAGE
    assert told in ran.stderr


def test_the_page_is_current(run: Runner) -> None:
    made = run(Rules(), "--document", core=core()).stdout
    assert PAGE.read_text(encoding="utf-8") == made, (
        "python -m pgmap.rules --document > docs/rules.md"
    )
    assert "K§5.5" in made
    assert run(Rules(), "--document", "--json", "-", core=core()).json["page"] == made
