"""What `python -m pgmap.bench` asks of the real core; how long it takes is nobody's business."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pgmap._exit import Exit
from pgmap.bench import main
from ran import Ran


def asked(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code = Exit(main([*words, "--json", "-"]))
    out, err = capfd.readouterr()
    return {**Ran(code, out, err).json, "exit": int(code)}


def test_counts_are_the_same_twice_and_a_look_costs_a_hand_off(
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, again = (asked(capfd, "refcount", "--count")["counts"] for _ in range(2))
    assert first == again
    by_name = {count["name"]: count["shared"] for count in first}
    look, none = by_name["frozen bit, look first"], by_name["frozen bit"]
    assert look["pairs"]["hand_offs"] == 2 * none["pairs"]["hand_offs"] == 2 * none["cpus"]
    assert by_name["plain"] is None


def test_kills_lose_nothing_and_wait_for_no_less_than_the_clock_can_see(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = asked(capfd, "refcount", "--kill", "50")
    assert (told["exit"], told["kills"], len(told["schemes"])) == (0, 50, 6)
    for kills in told["schemes"]:
        quiet = kills["quiet"]
        assert quiet["p50"] <= quiet["p99"] <= quiet["p999"] <= quiet["most"]


def test_a_row_for_each_cpu_outweighs_a_page_and_a_word_does_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = asked(capfd, "refcount", "--memory")
    large = {found["scheme"]: found["machines"][-1] for found in told["footprints"]}
    assert large["percpu, grace period"]["page"] > 4096 > large["paygo-like"]["page"]
    assert large["cas unless zero"]["page"] == 4


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two threads want two processors")
@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (("refcount", "--workload", "--only", "frozen against readers"), 3),
        (("pgmap", "--only", "percpu, closed cells"), 4),
        (("alloc", "--only", "2 MiB, beside a locked"), 6),
    ],
)
def test_every_suite_measures_what_it_is_asked_for(
    capfd: pytest.CaptureFixture[str], words: tuple[str, ...], rows: int
) -> None:
    told = asked(capfd, *words, "--for", "0.1s")
    assert len(told["rows"]) == rows
    floors = {null["floor"] for null in told["environment"]["nulls"]}
    assert floors == {"itself"} or floors == {row["floor"] for row in told["rows"]}
