"""Drivers made of primitives: what they can be, what is found in them, and how they travel."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings

import pgmap.driver
from pgmap import Driver, Exhausted, Found, Program, World, explore, outcomes, strategies
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._replay import Replay
from pgmap.driver import (
    Primitive,
    add,
    init_page,
    load,
    lock,
    pagemap_get,
    pagemap_put,
    pop,
    push,
    set_count,
    store,
    unlock,
)
from pgmap.errors import Exists, NoMemory, NoSuchDevice, ProgramError
from ran import Runner

MAKE = [init_page(), pagemap_get(), set_count(1)]
TAKE = [lock("l"), pop(), unlock("l")]
GIVE = [lock("l"), push(), unlock("l")]


def driver(
    alloc: Sequence[Primitive] = (*TAKE, *MAKE),
    page_free: Sequence[Primitive] = tuple(GIVE),
    pages: int = 2,
) -> Driver:
    return Driver("d", alloc=alloc, page_free=page_free, pages=pages)


PUT_AND_ALLOC = "w0 drv_alloc d\nstart\nw0 drv_put\nw1 drv_alloc d"
ALLOC_TWICE = "start\nw0 drv_alloc d\nw1 drv_alloc d"
PUT_TWICE = "w0 drv_alloc d\nw1 drv_alloc d\nstart\nw0 drv_put\nw1 drv_put"


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [PUT_AND_ALLOC, ALLOC_TWICE, PUT_TWICE])
def test_a_right_driver_is_exhausted_at_bound_two(steps: str) -> None:
    verdict = explore(f"{driver()}\n{steps}", preemptions=2, strategy="bounds")
    assert isinstance(verdict, Exhausted), verdict


@pytest.mark.parametrize(
    ("alloc", "page_free", "steps", "invariant"),
    [
        pytest.param([pop(), *MAKE], GIVE, ALLOC_TWICE, "I09", id="two allocations of one page"),
        pytest.param([*TAKE, *MAKE], [push()], PUT_TWICE, "I03", id="a page is lost"),
        pytest.param([*TAKE, *MAKE], [], PUT_AND_ALLOC, "I03", id="a page is never pushed"),
        pytest.param(
            [*TAKE, init_page(), set_count(1), pagemap_get()],
            GIVE,
            ALLOC_TWICE,
            "I12",
            id="in use before it holds its pagemap",
        ),
        pytest.param(
            [*TAKE, *MAKE], [*GIVE, pagemap_put()], PUT_AND_ALLOC, "I12", id="pagemap put twice"
        ),
        pytest.param([*TAKE, *MAKE], [set_count(1), *GIVE], PUT_AND_ALLOC, "I03", id="count of 1"),
    ],
)
def test_a_wrong_driver_is_found(
    alloc: list[Primitive], page_free: list[Primitive], steps: str, invariant: str
) -> None:
    verdict = explore(f"{driver(alloc, page_free)}\n{steps}")
    assert isinstance(verdict, Found), verdict
    assert verdict.finding.invariant == invariant, verdict.finding
    assert verdict.finding.blame == "rules"


def test_locks_in_two_orders_are_a_deadlock() -> None:
    alloc = [lock("a"), lock("b"), pop(), unlock("b"), unlock("a"), *MAKE]
    page_free = [lock("b"), lock("a"), push(), unlock("a"), unlock("b")]
    verdict = explore(f"{driver(alloc, page_free)}\n{PUT_AND_ALLOC}")
    assert isinstance(verdict, Found)
    assert "tasks wait for each other" in str(verdict)


def test_it_shrinks_to_the_steps_and_pages_that_it_takes() -> None:
    wrong = driver([*TAKE, *MAKE], [*GIVE, set_count(0)], pages=7)
    unused = Driver("other", alloc=[pop()], page_free=[])
    steps = "w0 drv_alloc d\nw2 nop\nstart\nw0 nop\nw0 drv_put\nw1 drv_alloc d\nw2 nop"
    verdict = explore(f"file f 1\n{wrong}\n{unused}\n{steps}")
    assert isinstance(verdict, Found)
    small = driver([*TAKE, *MAKE], [*GIVE, set_count(0)], pages=1)
    assert verdict.program == f"{small}\n{PUT_AND_ALLOC}\n"


# --- cells ---------------------------------------------------------------------------------------


def counting(*between: Primitive) -> str:
    return f"{driver([*between, *MAKE])}\n{ALLOC_TWICE}"


def test_alloc_returns_its_page_or_what_it_loaded() -> None:
    told = outcomes(counting(*TAKE), preemptions=1)
    assert set(told) == {("0", "1"), ("1", "0")}
    stored = outcomes(counting(*TAKE, store("x", 7), load("x")), preemptions=1)
    assert set(stored) == {("7", "7")}


def test_a_sum_without_its_lock_loses_one() -> None:
    locked = counting(lock("l"), pop(), add("n", 1), load("n"), unlock("l"))
    assert set(outcomes(locked, preemptions=2)) == {("1", "2"), ("2", "1")}
    unlocked = counting(*TAKE, add("n", 1), load("n"))
    assert ("1", "1") in set(outcomes(unlocked, preemptions=2))


# --- what a driver can be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alloc", "page_free", "why"),
    [
        ([lock("l"), pop()], [], "alloc ends with l held: unlock it"),
        ([pop()], [lock("l"), lock("l")], "page_free has l already"),
        ([pop(), unlock("l")], [], "alloc does not have l here"),
        ([lock("l"), pop(), unlock("m"), unlock("l")], [], "alloc does not have m here"),
        ([set_count(1)], [], "set_count is for a page, and before pop alloc has none"),
        ([], [push()], "alloc takes no page: it needs a pop"),
        ([pop(), pop()], [], "a second pop has no place there"),
        ([pop(), push()], [], "alloc hands its page out: push has no place there"),
        ([pop()], [pop()], "page_free is given its page: pop has no place there"),
        ([pop(), set_count(1 << 16)], [], "must be a number from 0 to 65535"),
        ([pop(), set_count(-1)], [], "must be a number from 0 to 65535"),
        ([pop(), load("a b")], [], "is written load(CELL)"),
        ([pop(), load("")], [], "is no name of a cell"),
        ([pop(), Primitive("pusch")], [], 'no primitive of a driver is called "pusch"'),
        ([pop(), *[add(f"c{n}", 1) for n in range(5)]], [], "a driver has at most 4 cells"),
        ([pop()] * 1 + [set_count(1)] * 16, [], "alloc has at most 16 primitives"),
    ],
)
def test_what_nobody_could_mean_is_refused(
    alloc: list[Primitive], page_free: list[Primitive], why: str
) -> None:
    with pytest.raises(ProgramError, match=re.escape(why)):
        driver(alloc, page_free)


def test_names_and_sizes_are_checked() -> None:
    for name, why in (("", "is no driver name"), ("a b", "PAGES is"), ("0d", "is no driver name")):
        with pytest.raises(ProgramError, match=why):
            Driver(name, alloc=[pop()], page_free=[])
    with pytest.raises(ProgramError, match="it must be 1 to 64"):
        driver(pages=0)
    with pytest.raises(ProgramError, match="more than one driver"):
        Driver("d", alloc=[pop()], page_free=[push(), Primitive("push\nw0 nop")])
    with pytest.raises(ProgramError, match="driver d is declared twice"):
        Program(f"{driver()}\n{driver()}")
    with pytest.raises(ProgramError, match="declared before the first step"):
        Program(f"w0 nop\n{driver()}")
    with pytest.raises(ProgramError, match=r'no driver is called "e" \(did you mean "d"\?\)'):
        Program(f"{driver()}\nw0 drv_alloc e")


def test_functions_of_python_are_no_primitives() -> None:
    with pytest.raises(TypeError, match=r"'pop' in alloc is a function: call it, as in pop\(\)"):
        driver([pop])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="a driver runs as data, and is made of primitives alone"):
        driver(page_free=[lambda: None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"is no primitive of pgmap\.driver"):
        driver(page_free=["push"])  # type: ignore[list-item]


def test_there_is_a_function_for_each_primitive_of_the_core() -> None:
    rows = core().facts()["primitives"]
    made = set(pgmap.driver.__all__) - {"Driver", "Primitive"}
    assert {row["word"] for row in rows} == made
    assert all(getattr(pgmap.driver, word).__doc__ for word in made)


# --- how it travels ------------------------------------------------------------------------------

WHOLE = Driver(
    "whole",
    alloc=[*TAKE, *MAKE, add("n", 2), store("m", 3), load("n")],
    page_free=[*GIVE, pagemap_put()],
    pages=3,
)


def test_a_repr_pastes_back_and_a_pickle_is_the_same() -> None:
    names = {"Driver": Driver, **vars(pgmap.driver)}
    assert eval(repr(WHOLE), names) == WHOLE
    assert pickle.loads(pickle.dumps(WHOLE)) == WHOLE
    assert driver() != WHOLE
    assert hash(WHOLE) == hash(pickle.loads(pickle.dumps(WHOLE)))
    assert repr(push()) == "push()"
    assert repr(add("n", 2)) == "add('n', 2)"


def test_a_program_prints_its_drivers_as_they_are() -> None:
    program = Program(f"file f 1\n{WHOLE}\nw0 drv_alloc whole | w0 drv_put")
    assert program.text.splitlines()[1] == str(WHOLE) == WHOLE.text
    assert program.drivers == (("whole", 3),)
    assert Program(program.text) == program
    assert eval(repr(program)) == program


def test_a_builder_declares_it() -> None:
    with Program.build() as p:
        mine = p.driver(driver())
        a, b = p.worker(), p.worker()
        a.drv_alloc(mine)
        p.start()
        a.drv_put()
        taken = b.drv_alloc(mine)
        p.expect(taken.ok)
    assert p.text == f"{driver()}\n{PUT_AND_ALLOC}\nexpect w1.1 = ok\n"


def test_a_token_of_its_race_replays_from_the_command_line(run: Runner) -> None:
    verdict = explore(f"{driver([*TAKE, *MAKE], [*GIVE, set_count(0)])}\n{PUT_AND_ALLOC}")
    assert isinstance(verdict, Found)
    ran = run(Replay(), verdict.token, core=core())
    assert ran.exit is Exit.FOUND, ran.stderr
    assert "set_page_count: refcount" in ran.stdout


BEFORE = f"{WHOLE}\nw0 drv_alloc whole\n"


@settings(max_examples=5, database=None, deadline=None, derandomize=True)
@given(strategies.operations(("drv_alloc",), after=BEFORE))
def test_what_is_drawn_after_a_driver_uses_it(step: str) -> None:
    assert step == "w0 drv_alloc whole"


# --- on real threads -----------------------------------------------------------------------------


def test_threads_on_a_world_allocate_and_put_and_nothing_is_lost() -> None:
    workers, times = 4, 500
    with World() as world:
        world.load_driver(driver(pages=3))
        for worker in range(workers):
            world.spawn(worker)

        def run(worker: int) -> None:
            for _ in range(times):
                try:
                    world.drv_alloc(worker, "d")
                except NoMemory:
                    continue
                world.drv_put(worker)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert world.violations() == ()
        for worker in range(workers):
            world.exit(worker)
        assert world.quiescence() == ()


def test_a_world_tells_what_a_driver_got_wrong() -> None:
    with World() as world:
        world.load_driver(driver(page_free=[lock("l"), push(), push(), unlock("l")]))
        world.spawn(0)
        world.drv_alloc(0, "d")
        world.drv_put(0)
        world.drv_alloc(0, "d")
        world.drv_alloc(0, "d")
        [violation] = world.violations()
        assert violation.invariant == "I09"


def test_a_world_runs_a_program_with_its_driver() -> None:
    with World() as world:
        steps = "w0 drv_alloc d | w0 drv_alloc d | w0 drv_alloc d | w0 drv_put | w0 drv_alloc d"
        told = world.run(Program(f"{driver()}\n{steps}"))
        assert [step.returned for step in told] == [0, 1, None, 0, 1]
        assert told[2].failed == "ENOMEM"


def test_a_world_refuses_a_second_driver_of_a_name_and_one_without_room() -> None:
    with World(geometry={"dev_pages": 8}) as world:
        world.load_driver(driver())
        with pytest.raises(Exists):
            world.load_driver(driver())
        with pytest.raises(NoMemory):
            world.load_driver(Driver("e", alloc=[pop()], page_free=[], pages=7))
        world.spawn(0)
        with pytest.raises(NoSuchDevice):
            world.drv_alloc(0, "e")
        with pytest.raises(TypeError, match="must be the name of a driver"):
            world.drv_alloc(0, 3)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="driver must be a Driver or the line of one"):
            world.load_driver("w0 nop")
        # The other pages are the pool's.
        assert world.dev_alloc(0, 2, 6) > 0


def test_the_table_in_the_language_reference_has_every_primitive() -> None:
    page = (Path(__file__).parent.parent / "docs" / "language.md").read_text(encoding="utf-8")
    for row in core().facts()["primitives"]:
        assert re.search(rf"^\| `{row['word']}\b.*{re.escape(row['sentence'])} \|$", page, re.M)
