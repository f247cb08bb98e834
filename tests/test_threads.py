"""docs/threads.md: each verdict is what a search comes to, and each token fails again."""

from __future__ import annotations

import re

import pytest

import threads
from pgmap import _core

RULES = _core.facts()["rules"]
VERDICTS = list(threads.verdicts(threads.PAGE.read_text(encoding="utf-8")))


def test_the_page_has_claims_each_with_rules_that_differ() -> None:
    claims: dict[str, set[str]] = {}
    for verdict in VERDICTS:
        assert verdict.claim, verdict
        assert "start\n" in verdict.program, verdict
        claims.setdefault(verdict.claim, set()).add(verdict.ends.partition("/")[0])
    assert len(claims) >= 8
    page = threads.PAGE.read_text(encoding="utf-8")
    assert page.count(threads.HEAD) >= len(claims)
    # No heading without a verdict.
    assert {line[4:] for line in page.splitlines() if line.startswith("### ")} == set(claims)


def test_what_is_named_stands_for_rules_and_claims_that_there_are() -> None:
    page = threads.PAGE.read_text(encoding="utf-8")
    table = page.partition("## What stands for what the threads name\n")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:4] for line in table.splitlines() if line[:2] == "| "]
    claims = {verdict.claim.strip('"') for verdict in VERDICTS}
    races = {race["number"] for race in _core.catalogue()["known"]}
    rules = {rule["name"]: {value["name"] for value in rule["values"]} for rule in RULES}
    assert len(rows) > 15
    for named, here, ends in rows[1:]:
        quoted = re.findall(r'"([^"]+)"', ends)
        numbers = re.findall(r"\bB\d\d\b", ends)
        assert quoted or numbers or "the same program" in ends or "its rows" in ends, named
        for told in quoted:
            assert any(claim.startswith(told) for claim in claims), told
        assert set(numbers) <= races, named
        for rule, value in re.findall(r"`([a-z-]+)=([a-z0-9-]+)`", here):
            assert value in rules[rule], named


PROPOSALS = {era["name"]: era["base"] for era in _core.facts()["eras"] if not era["kernels"]}


@pytest.mark.parametrize("era", sorted(set(PROPOSALS) - {f"{it}-sound" for it in threads.ERAS}))
def test_a_proposal_has_a_program_that_ends_otherwise_than_under_its_base(era: str) -> None:
    ends: dict[str, dict[str, str]] = {}
    for verdict in VERDICTS:
        ends.setdefault(verdict.claim, {})[verdict.rules] = verdict.ends
    base = PROPOSALS[era]
    pairs = [(it[era], it[base]) for it in ends.values() if era in it and base in it]
    assert any(mine != theirs for mine, theirs in pairs), pairs


@pytest.mark.parametrize(
    "kept", VERDICTS, ids=lambda kept: f"{kept.line}-{kept.rules.replace(' ', ',')}"
)
def test_a_verdict_is_what_a_search_comes_to(kept: threads.Verdict) -> None:
    now = kept.searched()
    assert now.ends == kept.ends, f"{kept.claim}: {threads.UPDATE}"
    if kept.token is not None:
        assert _core.replay(kept.token)["outcome"] == "reproduced", threads.UPDATE


def test_a_row_that_says_otherwise_is_told(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    page = tmp_path / "threads.md"
    first = VERDICTS[0]
    page.write_text(
        f"### {first.claim}\n\n```text\n{first.program}```\n\n{threads.HEAD}\n|---|---|---|\n"
        f"| `{first.rules}` | I99/0 | - |\n"
    )
    monkeypatch.setattr(threads, "PAGE", page)
    assert threads.main([]) == 1
    assert f"I99/0 -> {first.ends}" in capsys.readouterr().out
    assert threads.main(["--write"]) == 0
    assert threads.main([]) == 0
