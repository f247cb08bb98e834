"""Outcomes that a sequential order explains are told from those that none does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgmap import World, errors, replay
from pgmap.stateful import Model, Refused, Sleeping, linearizable

MAPPED = """
file f 2
w0 mmap 0 f 0 2 rw shared
w1 mmap 0 f 0 2 rw shared
w0 store 0 0 0 | w0 store 0 1 0
start
"""
GUP = MAPPED + "w0 pin 0 0\nw0 unpin 0\nw1 ftruncate f 0\n"
MESSAGE = MAPPED + "w0 store 0 0 1 | w0 store 0 1 1\nw1 load 0 1 | w1 load 0 0\n"
TORN = MAPPED + "w0 pwrite f 0 2\nw1 load 0 1 | w1 store 0 1 7\nw2 pread f 0 2\n"


@pytest.mark.parametrize(
    "body",
    [
        "w0 pin 0 0\nw0 unpin 0\nw1 ftruncate f 0\n",
        "w0 pin 0 0 2\nw0 unpin 0\nw1 punch f 1 1\n",
        "w0 get 0 0\nw0 unpin 0\nw1 munmap 0\nw1 ftruncate f 1\n",
        "w0 munmap 0\nw0 r 0 0\nw1 munmap 0 0 1\nw1 load 0 0\n",
        "w0 store 0 0 1 | w0 store 0 1 1\nw1 load 0 1 | w1 load 0 0\n",
        "w0 store 0 0 1 | w0 load 0 1\nw1 store 0 1 1 | w1 load 0 0\n",
    ],
)
def test_what_calls_come_to_at_once_they_come_to_one_after_the_other(body: str) -> None:
    told = linearizable(MAPPED + body, preemptions=1).assert_holds()
    assert told.unexplained == ()
    assert set(told.explained) == set(told.outcomes)
    assert all(why.needs == frozenset() for why in told.explained.values())


def test_an_explanation_is_an_order_of_the_steps() -> None:
    told = linearizable(GUP, preemptions=1)
    pinned, refused = told.explained["1", "1", "0"], told.explained["EFAULT", "EINVAL", "0"]
    assert pinned.order[-1] == "w1 ftruncate f 0"
    assert refused.order[0] == "w1 ftruncate f 0"
    assert sorted(pinned.order) == sorted(refused.order)


class Forgetful(Model):
    """A model of another machine: what is stored is not there."""

    def store(self, worker: int, number: int, page: int, value: int) -> int:
        return super().store(worker, number, page, 0)


def test_an_outcome_without_an_order_is_told_with_an_execution() -> None:
    told = linearizable(MESSAGE, Forgetful, preemptions=1)
    assert told.unexplained
    assert all("1" in results for results in told.unexplained)
    assert ("0", "0", "0", "0") in told.explained
    with pytest.raises(errors.DoesNotHold, match="no sequential order explains") as raised:
        told.assert_holds()
    token = str(raised.value).split("pgmap replay ")[1].split()[0]
    assert replay(token).outcome == "reproduced"


class Eager(Model):
    """Takes all it is asked for, where the machine stops at the end of the file."""

    def pread(self, worker: int, file: int | str, page: int, pages: int) -> int:
        return pages * 4096


def test_a_short_count_is_allowed_and_named() -> None:
    told = linearizable(MAPPED + "w0 pread f 1 4\nw1 r 0 1\n", Eager).assert_holds()
    assert [why.needs for why in told.explained.values()] == [{"short count"}]


class Busy:
    """A machine of one page that nobody gets at once."""

    def create(self, name: str, pages: int, state: str) -> None: ...

    def learn(self, world: World) -> None: ...

    def differences(self, world: World) -> Iterator[str]:
        return iter(())

    def do(self, step: str) -> Sleeping:
        yield from ()
        if step.split()[1] == "load":
            raise Refused("EAGAIN")
        return 0


def test_a_page_that_is_held_on_the_way_is_allowed_to_be_busy_and_named() -> None:
    """Whoever unmaps it has a reference until its gather is over."""
    both = MAPPED.replace("start", "w1 load 0 0\nstart")
    told = linearizable(both + "w0 madvise 0 soft_offline 0\nw1 munmap 0\n", preemptions=1)
    assert told.unexplained == ()
    assert told.explained["EBUSY", "0"].needs == {"held for a moment"}
    assert told.explained["0", "0"].needs == frozenset()


def test_the_model_knows_where_the_blocks_of_a_file_are() -> None:
    """Only where they lie side by side is there a huge page, which is not moved."""
    huge = MAPPED.replace("file f 2", "file f 4 written huge").replace("0 2 rw", "0 4 rw")
    told = linearizable(huge + "w0 madvise 0 soft_offline 0\nw1 load 0 1\n", preemptions=1)
    assert set(told.explained) == set(told.outcomes) == {("EINVAL", "0")}


def test_a_model_of_ones_own_needs_no_base() -> None:
    told = linearizable("file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 load 0 0\n", Busy)
    assert told.unexplained == (("0",),)


def test_who_waits_for_ever_waits_in_the_model_too() -> None:
    told = linearizable(MAPPED + "w0 pin 0 0 | w0 nop\nw1 ftruncate f 0\n").assert_holds()
    assert list(told.outcomes) == [("1", "0", "waits"), ("EFAULT", "0", "0")]


class Patient(Model):
    """Waits for nobody."""

    def ftruncate(self, worker: int, file: int | str, pages: int) -> Sleeping:
        yield from ()
        return 0


def test_a_wait_that_the_model_does_not_have_is_not_explained() -> None:
    told = linearizable(MAPPED + "w0 pin 0 0 | w0 nop\nw1 ftruncate f 0\n", Patient)
    assert ("1", "0", "waits") in told.unexplained


def test_what_a_model_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="does not know dev_alloc"):
        linearizable(MAPPED + "w0 dev_alloc 0 1\n")
    with pytest.raises(TypeError, match="environment"):
        linearizable(MAPPED + "w0 nop\nsleep\n")
