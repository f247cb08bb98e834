"""A driver of one's own: the free-list race of v5.18 is found, told, mended in one line, and gone.

v5.18 called the driver's `page_free` and stored the page's count afterwards (commit 27674ef6c73f);
v6.1 stores it before anybody can have the page (commit ef233450898f). Here the driver does it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgmap import Driver, Exhausted, Found, explore, replay
from pgmap.driver import Primitive, init_page, lock, pagemap_get, pop, push, set_count, unlock

TAKE = [lock("free"), pop(), unlock("free"), init_page(), pagemap_get(), set_count(1)]
PUSH = [lock("free"), push(), unlock("free")]
WRONG = [*PUSH, set_count(0)]
RIGHT = [set_count(0), *PUSH]


def program(page_free: Sequence[Primitive]) -> str:
    """One worker puts the page that another one allocates."""
    mine = Driver("mine", alloc=TAKE, page_free=page_free)
    return f"{mine}\nw0 drv_alloc mine\nstart\nw0 drv_put\nw1 drv_alloc mine"


def test_the_count_is_stored_when_the_page_is_somebody_elses() -> None:
    verdict = explore(program(WRONG))
    assert isinstance(verdict, Found)
    assert (verdict.finding.invariant, verdict.preemptions) == ("I02", 1)
    told = [line.strip() for line in str(verdict).splitlines()]
    columns = next(line for line in told if "CPU0" in line)
    assert columns.split() == ["CPU0", "(w0)", "CPU1", "(w1)"]
    # What w0 pushed w1 has taken, and then w0 wipes its count.
    said = " ".join(told)
    steps = ["push: free list of mine", "pop: free list of mine", "[0 -> 1]", "[1 -> 0]"]
    assert sorted(steps, key=said.rindex) == steps
    assert "freed by: w0" in said
    assert "set_page_count  (drv_put)" in said
    assert replay(verdict.token).outcome == "reproduced"


def test_stored_before_the_push_it_is_nobodys_and_every_schedule_is_right() -> None:
    verdict = explore(program(RIGHT), preemptions=2, strategy="bounds")
    assert isinstance(verdict, Exhausted), verdict
    verdict.assert_holds(exhausted=True)


def test_a_right_driver_has_the_race_where_the_kernel_does_it() -> None:
    verdict = explore(program(RIGHT), rules={"free-push": "before-settled"})
    assert isinstance(verdict, Found)
    assert verdict.finding.invariant == "I02"
