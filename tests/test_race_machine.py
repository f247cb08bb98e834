"""A state machine of one's own: GUP beside unmap beside truncate, and what the base promises."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

import children
from pgmap import Driver, World, errors
from pgmap.driver import init_page, lock, pagemap_get, pop, push, set_count, unlock
from pgmap.stateful import RaceMachine, Refused, Sleeping
from pgmap.stateful.machine import ASLEEP
from pgmap.verdicts import Exhausted

RUN = settings(
    max_examples=int(os.environ.get("PGMAP_MACHINE_EXAMPLES", "40")),
    stateful_step_count=8,
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
QUICK = settings(RUN, phases=[Phase.generate], max_examples=300)

Handle = tuple[int, int]
pages = st.integers(0, 3)


class GupBesideUnmapBesideTruncate(RaceMachine):
    """Two processes map a file; what holds its pages is pinned, unmapped and truncated at once."""

    mapped = Bundle("mapped")
    pins = Bundle("pins")

    @initialize(target=mapped, layout=st.sampled_from(("contiguous", "huge")))
    def two_processes_map_a_file(self, layout: str) -> Any:
        self.create("f", 4, layout=layout)
        for worker in (0, 1):
            self.do(f"w{worker} spawn")
            self.do(f"w{worker} mmap 0 f 0 4 rw shared")
        self.do("w2 spawn")
        return multiple((0, 0), (1, 0))

    @rule(mapping=mapped, page=pages, word=st.sampled_from("rw"))
    def touch(self, mapping: Handle, page: int, word: str) -> None:
        self.do(f"w{mapping[0]} {word} {mapping[1]} {page}")

    @rule(target=pins, mapping=mapped, page=pages, word=st.sampled_from(("pin", "get")))
    def reference(self, mapping: Handle, page: int, word: str) -> Any:
        number = self.take(f"w{mapping[0]} {word} {mapping[1]} {page}")
        return multiple() if number is None else (mapping[0], number)

    @rule(pin=consumes(pins))
    def unpin(self, pin: Handle) -> None:
        self.do(f"w{pin[0]} unpin {pin[1]}")

    @rule(size=st.integers(0, 4))
    def truncate(self, size: int) -> None:
        self.do(f"w2 ftruncate f {size}")

    @rule(pin=consumes(pins), size=st.integers(0, 4), mapping=mapped, page=pages)
    def unpin_beside_truncate_and_fault(
        self, pin: Handle, size: int, mapping: Handle, page: int
    ) -> None:
        steps = [f"w{pin[0]} unpin {pin[1]}", f"w2 ftruncate f {size}"]
        if mapping[0] != pin[0]:
            steps.append(f"w{mapping[0]} r {mapping[1]} {page}")
        self.concurrently(*steps)

    @rule(target=mapped, one=consumes(mapped), size=st.integers(0, 4))
    def unmap_beside_truncate(self, one: Handle, size: int) -> Handle:
        worker, number = one
        self.do(f"w{worker} w {number} 0")
        self.concurrently(f"w{worker} munmap {number}", f"w2 ftruncate f {size}")
        self.do(f"w{worker} mmap {number} f 0 4 rw shared")
        return one

    @rule(one=mapped, page=pages, size=st.integers(0, 4))
    def pin_and_unpin_beside_unmap_and_truncate(self, one: Handle, page: int, size: int) -> None:
        worker, number = one
        pin = len(self.taken(worker))
        self.concurrently(
            f"w{worker} pin {number} {page}",
            f"w{worker} unpin {pin}",
            f"w{1 - worker} munmap 0 {page} 1",
            f"w2 ftruncate f {size}",
        )


class ZapsTooEarly(GupBesideUnmapBesideTruncate):
    rules_changed: ClassVar[Mapping[str, str]] = {"zap-put": "before-flush"}


class TruncatesAtOnce(GupBesideUnmapBesideTruncate):
    rules_changed: ClassVar[Mapping[str, str]] = {"truncate-break-layout": "off"}


def test_gup_unmap_and_truncate_are_sound_together() -> None:
    run_state_machine_as_test(GupBesideUnmapBesideTruncate, settings=RUN)


def test_a_wrong_order_is_found_by_the_searches() -> None:
    with pytest.raises(errors.DoesNotHold, match="token: pgm"):
        run_state_machine_as_test(ZapsTooEarly, settings=QUICK)


def test_a_wrong_result_is_found_by_the_model_or_the_searches() -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(TruncatesAtOnce, settings=QUICK)


# --- what the base promises ----------------------------------------------------------------------


class Bare(RaceMachine):
    """Whatever a test does with it."""

    @rule()
    def nothing(self) -> None:
        pass


@pytest.fixture
def machine() -> Iterator[RaceMachine]:
    machine = Bare()
    machine.create("f", 2)
    for worker in (0, 1):
        machine.do(f"w{worker} spawn")
    machine.do("w0 mmap 0 f 0 2 rw shared")
    yield machine
    machine.world.close()


def agrees(machine: RaceMachine) -> bool:
    machine.world_and_model_agree()
    machine.no_invariant_is_broken()
    return True


def test_a_step_comes_to_what_it_returns_or_how_it_is_refused(machine: RaceMachine) -> None:
    assert machine.do("w0 w 0 0") == 0
    assert machine.do("w0 load 0 1") == 0
    assert machine.do("w0 munmap 1") == "refused: EINVAL"
    assert machine.do("w0 r 0 7") == "refused: SIGSEGV"
    assert agrees(machine)


def test_a_step_that_would_sleep_is_not_done(machine: RaceMachine) -> None:
    machine.take("w0 pin 0 0")
    assert machine.do("w1 ftruncate f 0") == ASLEEP
    assert machine.world.size("f") == 2
    assert agrees(machine)


def test_steps_at_the_same_time_go_on_from_the_first_outcome(machine: RaceMachine) -> None:
    pin = machine.take("w0 pin 0 0")
    verdict = machine.concurrently("w1 ftruncate f 0", f"w0 unpin {pin}")
    assert isinstance(verdict, Exhausted)
    assert verdict.program.splitlines()[-3:] == ["start", "w0 unpin 0", "w1 ftruncate f 0"]
    assert machine.history[-2:] == ["w0 unpin 0", "w1 ftruncate f 0"]
    assert machine.world.size("f") == 0
    assert agrees(machine)


def test_nothing_is_done_where_somebody_would_be_left_asleep(machine: RaceMachine) -> None:
    machine.take("w0 pin 0 0")
    before = list(machine.history)
    assert machine.concurrently("w1 ftruncate f 0", "w0 r 0 1") is None
    assert machine.history == before
    assert agrees(machine)


def test_who_sleeps_first_is_woken(machine: RaceMachine) -> None:
    machine.do("w1 mmap 0 f 0 2 rw shared")
    pin = machine.take("w1 pin 0 0")
    machine.concurrently("w0 ftruncate f 0", f"w1 unpin {pin}")
    assert machine.history[-2:] == ["w1 unpin 0", "w0 ftruncate f 0"]
    assert agrees(machine)


def test_a_refused_pin_is_none_of_the_set_up(machine: RaceMachine) -> None:
    assert machine.take("w0 pin 0 7") is None
    assert machine.take("w0 pin 0 1") == 1
    verdict = machine.concurrently("w0 unpin 1", "w1 fsync f")
    assert verdict is not None
    assert "w0 unpin 0" in verdict.program.splitlines()
    assert agrees(machine)


def test_a_sleep_is_ended_by_a_signal(machine: RaceMachine) -> None:
    machine.take("w0 pin 0 0")
    machine.interrupted("w1 ftruncate f 0")
    assert machine.world.size("f") == 2
    assert not machine.rebuilt
    assert agrees(machine)


def test_what_no_program_asks_for_is_compared_and_ends_the_searches(machine: RaceMachine) -> None:
    machine.call(lambda model: model.clone(0, 2), lambda world: world.clone(0, 2))
    assert machine.concurrently("w0 r 0 0", "w1 fsync f") is None
    assert machine.history[-2:] == ["w0 r 0 0", "w1 fsync f"]


def test_a_difference_is_told(machine: RaceMachine) -> None:
    machine.world.pwrite(0, "f", 0, 77)
    with pytest.raises(AssertionError, match="data of page 0: 77, model"):
        machine.world_and_model_agree()
    with pytest.raises(AssertionError, match="model 5"):
        machine.call(lambda model: 5, lambda world: 6)


class Sizes:
    """A model of file sizes alone."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    def create(self, name: str, pages: int, state: str) -> None:
        self.sizes[name] = pages

    def do(self, step: str) -> Sleeping:
        match step.split()[1:]:
            case ["spawn"]:
                return 0
            case ["ftruncate", name, pages] if int(pages) <= 12:
                self.sizes[name] = int(pages)
                return 0
        raise Refused("EINVAL")
        yield

    def learn(self, world: World) -> None:
        pass

    def differences(self, world: World) -> Iterator[str]:
        return (f"{n}" for n, pages in self.sizes.items() if world.size(n) != pages)


class SizesInStep(RaceMachine):
    model_class = Sizes

    @initialize()
    def begin(self) -> None:
        self.create("f", 1)
        self.do("w0 spawn")
        self.do("w1 spawn")

    @rule(one=st.integers(0, 14), other=st.integers(0, 12))
    def resize(self, one: int, other: int) -> None:
        self.concurrently(f"w0 ftruncate f {one}", f"w1 ftruncate f {other}")


def test_a_model_of_ones_own_takes_part() -> None:
    run_state_machine_as_test(SizesInStep, settings=settings(RUN, max_examples=10))


TAKE = [lock("free"), pop(), unlock("free"), init_page(), pagemap_get(), set_count(1)]
PUSH = [lock("free"), push(), unlock("free")]


class PagesOfADriver(RaceMachine):
    """Whoever has a page of a driver of one's own puts it while others take one."""

    drivers = (Driver("mine", alloc=TAKE, page_free=[set_count(0), *PUSH], pages=3),)

    @initialize()
    def begin(self) -> None:
        for worker in (0, 1):
            self.do(f"w{worker} spawn")

    @rule(worker=st.integers(0, 1), step=st.sampled_from(("drv_alloc mine", "drv_put")))
    def alone(self, worker: int, step: str) -> None:
        self.do(f"w{worker} {step}")

    @rule(giver=st.integers(0, 1))
    def put_beside_alloc(self, giver: int) -> None:
        self.concurrently(f"w{giver} drv_put", f"w{1 - giver} drv_alloc mine")


class StoresTooLate(PagesOfADriver):
    drivers = (Driver("mine", alloc=TAKE, page_free=[*PUSH, set_count(0)]),)


class PushesTwice(PagesOfADriver):
    drivers = (Driver("mine", alloc=TAKE, page_free=[set_count(0), *PUSH, *PUSH]),)


def test_a_driver_of_ones_own_takes_part() -> None:
    run_state_machine_as_test(PagesOfADriver, settings=settings(RUN, max_examples=10))


def test_a_race_in_a_driver_of_ones_own_is_found() -> None:
    with pytest.raises(errors.DoesNotHold, match="BUG: pgmap: refcount zero while"):
        run_state_machine_as_test(StoresTooLate, settings=QUICK)


def test_a_driver_that_is_wrong_alone_is_told() -> None:
    with pytest.raises(AssertionError, match=r"I09|model"):
        run_state_machine_as_test(PushesTwice, settings=QUICK)


def test_without_hypothesis_its_extra_is_named() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import pgmap.stateful"
    ran = children.run([sys.executable, "-c", code])
    assert "pip install 'pgmap[hypothesis]'" in ran.stderr
