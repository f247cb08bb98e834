"""The same drawn programs on real threads: what they come to, and what is seen where they join."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from pgmap import Driver, Program, errors, outcomes, strategies
from pgmap.driver import init_page, lock, pagemap_get, pop, push, set_count, unlock

DRAWN = settings(
    max_examples=100,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
GUP = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0
w0 unpin 0
w1 ftruncate f 0
"""


@DRAWN
@given(strategies.programs())
def test_sound_rules_survive_what_is_drawn_on_threads(program: Program) -> None:
    strategies.on_threads(program)


def test_what_it_comes_to_is_one_of_all_outcomes() -> None:
    told = outcomes(GUP)
    for _ in range(50):
        assert strategies.on_threads(GUP) in told


def test_who_is_left_asleep_waits_and_what_is_behind_is_not_begun() -> None:
    waits = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\nstart\nw1 ftruncate f 0\nw1 nop\n"
    assert strategies.on_threads(waits) == ("waits", "not begun")


def test_time_passes_when_somebody_says_so_and_no_sooner() -> None:
    writes = (
        "file f 1\nw0 open 0 f rw\nw0 open 1 /dev/nullb0 rw\nw0 mmap 0 0 0 1 rw shared\n"
        "start\nw0 dio_write 1 0 0 1 1\n"
    )
    assert strategies.on_threads(writes) == ("waits",)
    assert strategies.on_threads(f"{writes}".replace("1 1\n", "1 0\n")) == ("4096",)


def test_the_file_system_is_the_worlds_wherever_a_program_has_it() -> None:
    away = "file f 1\nw0 umount\nw0 mount\nstart\nw0 umount /mnt/dax\n"
    assert strategies.on_threads(away) == ("0",)


def test_a_child_begins_when_it_is_forked() -> None:
    forks = "start\nw0 nop\nw0 fork 1\nw1 nop\n"
    assert strategies.on_threads(forks) == ("0", "0", "0")


def test_a_set_up_that_fails_is_told_with_its_line() -> None:
    with pytest.raises(errors.ProgramError, match="line 3: the set-up fails with ENOENT"):
        strategies.on_threads("file f 1\nw0 unlink f\nw0 open 0 f rw\nstart\nw0 nop\n")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("w0 drv_alloc d\nstart\nw0 drv_put\nw0 drv_alloc d\nw0 drv_alloc d\n", "I09"),
        ("start\nw0 drv_alloc d\nw0 drv_put\n", "d"),
    ],
)
def test_what_is_wrong_whatever_the_schedule_is_seen_where_they_join(
    program: str, told: str
) -> None:
    take = [lock("l"), pop(), unlock("l"), init_page(), pagemap_get(), set_count(1)]
    twice = Driver(
        "d", alloc=take, page_free=[set_count(0), lock("l"), push(), push(), unlock("l")]
    )
    with pytest.raises(errors.DoesNotHold, match=told):
        strategies.on_threads(f"{twice}\n{program}")
