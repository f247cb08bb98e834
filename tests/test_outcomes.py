"""Every result that a program can have is told, with an execution that shows it."""

from __future__ import annotations

import pytest

from pgmap import Outcomes, errors, explore, outcomes, replay

GUP = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0
w0 unpin 0
w1 ftruncate f 0
"""
MOVED = """
file f 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0 | w0 dma_read
w1 madvise 0 soft_offline 0
"""
STORE_BUFFER = """
file f 2
w0 mmap 0 f 0 2 rw shared
w1 mmap 0 f 0 2 rw shared
w0 w 0 0 2 | w1 w 0 0 2 | w0 store 0 0 0 | w0 store 0 1 0
start
w0 store 0 0 1 | w0 load 0 1
w1 store 0 1 1 | w1 load 0 0
"""


def test_gup_beside_truncate_pins_or_finds_nothing() -> None:
    told = outcomes(GUP, preemptions=1)
    assert told.steps == ("w0.1", "w0.2", "w1.1")
    assert list(told) == [("1", "1", "0"), ("EFAULT", "EINVAL", "0")]
    assert str(told).splitlines()[0] == "w0.1 = 1, w0.2 = 1, w1.1 = 0"
    assert told.bound == 1


def test_a_store_buffer_on_consistent_memory_shows_one_store_at_least() -> None:
    told = outcomes(STORE_BUFFER)
    loads = {(outcome[1], outcome[3]) for outcome in told}
    assert loads == {("0", "1"), ("1", "0"), ("1", "1")}
    assert ("0", "0", "0", "0") not in told
    assert len(told) == 3


def test_where_stores_wait_both_loads_may_miss_and_no_other_result_is_new() -> None:
    told = outcomes(STORE_BUFFER, memory="tso")
    loads = {(outcome[1], outcome[3]) for outcome in told}
    assert loads == {("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")}
    assert len(told) == 4
    both_miss = told.witnesses["0", "0", "0", "0"]
    assert replay(both_miss).outcome == "reproduced"


@pytest.mark.parametrize("memory", ["sc", "tso"])
def test_gup_beside_who_unmaps_pins_or_finds_nothing_on_each_memory(memory: str) -> None:
    assert set(outcomes(GUP, memory=memory)) == {("1", "1", "0"), ("EFAULT", "EINVAL", "0")}


@pytest.mark.parametrize("memory", ["sc", "tso"])
def test_gup_beside_who_unmaps_and_moves_a_page_holds_it_or_finds_the_new_one(memory: str) -> None:
    """By hand: the pin is there before the unmapper counts, and the page stays; or it finds the
    entry gone, faults in the page in its new place, and nobody is busy. What a page holds is the
    same in both places. A pin of the old page beside a move that went through is what both barriers
    are for.
    """
    told = outcomes(MOVED, memory=memory)
    assert set(told) == {("1", "0", "0"), ("1", "0", "EBUSY")}


def test_a_step_that_nobody_begins_is_part_of_an_outcome() -> None:
    """The pipe keeps the page that the truncate waits for."""
    spliced = (
        "file f 1\nw0 pipe 0\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\n"
        "w0 vmsplice 0 0 0 1\nw1 ftruncate f 0\nw1 nop\n"
    )
    told = outcomes(spliced, preemptions=1)
    assert set(told) == {("EFAULT", "0", "0"), ("4096", "waits", "not begun")}
    assert all(replay(token).outcome == "reproduced" for token in told.witnesses.values())


def test_each_outcome_has_an_execution_that_shows_it() -> None:
    told = outcomes(GUP, preemptions=1)
    for outcome, token in told.witnesses.items():
        shown = replay(token)
        assert shown.outcome == "reproduced"
        condition = [f"{step} = {it}" for step, it in zip(told.steps, outcome, strict=True)]
        assert f"never {' and '.join(condition)}" in shown.program


def test_without_a_preemption_there_are_fewer() -> None:
    alone = "file f 1\nstart\nw0 pwrite f 0 1\nw0 pread f 0 1\nw1 ftruncate f 0\n"
    assert set(outcomes(alone, preemptions=0)) <= set(outcomes(alone, preemptions=1))


def test_what_an_unfinished_or_a_broken_search_would_hide_is_refused() -> None:
    with pytest.raises(errors.DoesNotHold, match="not found in"):
        outcomes(GUP, schedules=2)
    with pytest.raises(errors.DoesNotHold, match="BUG: pgmap"):
        outcomes(GUP, rules={"truncate-break-layout": "off"})
    with pytest.raises(TypeError, match="without expectations"):
        outcomes(GUP + "expect w1.1 = 0\n")


def test_no_step_is_left_out() -> None:
    told = outcomes(GUP, preemptions=1)
    rows = explore(GUP, preemptions=1, strategy="bounds").outcomes
    assert told.steps == tuple(row.step for row in rows)
    assert isinstance(told, Outcomes)
