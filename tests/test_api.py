"""What `help` says of the public API is what happens."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

import pgmap
from pgmap import World, _core, errors, explore
from pgmap._options import ExploreOptions
from pgmap.errors import OutOfRange, Stuck
from pgmap.stateful._calls import Call, outcome

MODULES = (pgmap, _core, pgmap.errors, pgmap.results, pgmap.verdicts)


def public() -> Iterator[tuple[str, Any]]:
    """Every public function, class and method, with its name."""
    for module in MODULES:
        for name in module.__all__:
            thing = getattr(module, name)
            if not callable(thing) or isinstance(thing, type(int | str)):
                continue
            yield f"{module.__name__}.{name}", thing
            if not inspect.isclass(thing):
                continue
            for attribute, method in inspect.getmembers(thing, callable):
                if not attribute.startswith("_"):
                    yield f"{module.__name__}.{name}.{attribute}", method


def without_a_real_default(thing: Callable[..., object]) -> list[str]:
    parameters = inspect.signature(thing).parameters.values()
    return [p.name for p in parameters if p.default is ...]


def test_help_shows_every_parameter_with_its_real_default() -> None:
    seen = dict(public())
    assert {"pgmap.World.pin", "pgmap._core.replay", "pgmap.explore"} <= set(seen)
    # An exception without arguments of its own has Exception's, and a run has nothing to call.
    silent = {name: without_a_real_default(thing) for name, thing in seen.items() if told(thing)}
    assert {name: unreal for name, unreal in silent.items() if unreal} == {}
    assert all(told(thing) for name, thing in seen.items() if name.startswith("pgmap.World"))


def told(thing: Callable[..., object]) -> bool:
    try:
        inspect.signature(thing)
    except ValueError:
        return False
    return True


def test_explore_takes_every_option_of_a_search_with_its_default() -> None:
    program, setup, workers, *rest, progress = inspect.signature(explore).parameters.values()
    names = (program.name, setup.name, workers.name, progress.name)
    assert names == ("program", "setup", "workers", "progress")
    taken = {p.name: (p.annotation, p.default) for p in rest}
    assert taken == {f.name: (f.type, f.default) for f in fields(ExploreOptions)}


def test_an_option_reaches_the_core_under_its_name() -> None:
    asked = ExploreOptions(rules={"zap-put": "before-flush"}, seed=7).config(program="x")
    assert asked["breaks"] == (("zap-put", "before-flush"),)
    assert (asked["seed"], asked["geometry"], asked["program"]) == (7, {}, "x")
    names = {field.name for field in fields(ExploreOptions)}
    assert set(asked) == names - {"rules"} | {"breaks", "program"}


def test_a_default_that_is_not_told_is_noticed() -> None:
    def pin(worker: int, access: str = ...) -> None:
        raise NotImplementedError

    assert without_a_real_default(pin) == ["access"]


# --- what a method does without an argument ------------------------------------------------------

REQUIRED: dict[str, tuple[Any, ...]] = {
    "create": ("g", 4),
    "open": (0, 5, "f"),
    "pread": (0, "f", 1),
    "pwrite": (0, "f", 1, 7),
    "punch": (0, "f", 1),
    "zero_range": (0, "f", 1),
    "mmap": (0, 3, "h", 0, 4),
    "anon": (0, 3, 4),
    "touch": (0, 0, 1),
    "pin": (0, 0, 1),
    "get": (0, 0, 1),
    "vmsplice": (0, 0, 0, 1),
    "tee": (0, 2, 1),
    "drain": (0, 2),
    "process_vm_readv": (0, 0, 0, 1),
    "uring_register": (0, 0, 1),
    "dio_write": (0, 1, 0, 1),
    "dio_read": (0, 1, 0, 1),
    "split": (0, 1),
    "hmm_todev": (0, 0, 5, 2),
    "hmm_tosys": (0, 0, 5, 0),
    "hmm_read": (0, 0, 0, 2),
    "exclusive": (0, 0, 5, 0),
    "memremap_pages": ("generic", 8),
}
"""By method with a default that is not None: what it needs."""

OTHERS: dict[str, Any] = {
    "pages": 2,
    "access": "w",
    "mode": "ro",
    "state": "sparse",
    "layout": "huge",
    "prot": "r",
    "sharing": "private",
    "align": "odd",
    "kind": "anonhuge",
    "longterm": True,
    "shift": 2,
}
"""By parameter: something that is not its default."""

UNSEEN = {("uring_register", "pages")}
"""Refused with any: no kernel here registers DAX pages."""


def defaults(method: str) -> dict[str, Any]:
    parameters = inspect.signature(getattr(World, method)).parameters.values()
    return {p.name: p.default for p in parameters if p.default not in (p.empty, None)}


METHODS = [name for name, _ in inspect.getmembers(World, callable) if not name.startswith("_")]
WITH_DEFAULTS = [method for method in METHODS if defaults(method)]


def seen(method: str, **given: object) -> list[object]:
    """All that a call on a world of its own can be told by."""
    sizes = {"pmd_order": 2, "pages": 64, "dev_pages": 8, "file_pages_max": 8}
    with World(geometry=sizes, deadline=600) as world:
        world.dev_alloc(0, 0, 4)
        world.create("h", 4, "written", "huge")
        world.create("f", 7)
        world.spawn(0)
        world.clone(0, 1)
        world.open(0, 1, "/dev/nullb0")
        world.punch(0, "f", 1)
        world.mmap(0, 0, "f", 0, 7, align="odd")
        for pipe in range(3):
            world.pipe(0, pipe)
        world.vmsplice(0, 2, 0, 4, 3)
        world.anon(0, 5, 4)
        world.touch(0, 5, 0, 4, "w")
        world.hmm_todev(0, 0, 5, 0, 2)
        call = Call(world, 0, lambda: getattr(world, method)(*REQUIRED[method], **given))
        told: list[object] = [call.sleeps(), words(world)]
        if told[0]:
            world.complete_io()
            world.drain(1, 2, 9)
        told += [call.sleeps(), repr(call.returned)]
        probes: list[Callable[[], object]] = [
            lambda: world.store(0, 3, 0, 9),
            lambda: world.mapped(0, 3, 0),
            lambda: world.pwrite(0, 5, 0, 3),
            lambda: world.extents("f"),
            lambda: world.extents("g"),
            lambda: world.mmap(0, 4, "g", 0, 4),
            lambda: world.touch(0, 4, 0, 1, "w"),
            lambda: world.dma_write(0, 77),
            lambda: world.drain(0, 0, 9),
            lambda: world.drain(0, 1, 9),
        ]
        for probe in probes:
            told += [repr(outcome(probe)), words(world)]
        return told


def words(world: World) -> list[object]:
    return [world.frame(pfn) for pfn in range(4 + 64)]


@pytest.mark.parametrize("method", WITH_DEFAULTS)
def test_a_default_is_what_help_says(method: str) -> None:
    assert seen(method, **defaults(method)) == seen(method)


@pytest.mark.parametrize(
    ("method", "parameter"),
    [(m, p) for m in WITH_DEFAULTS for p in defaults(m) if (m, p) not in UNSEEN],
)
def test_another_value_than_the_default_is_seen(method: str, parameter: str) -> None:
    assert seen(method, **{parameter: OTHERS[parameter]}) != seen(method)


def test_a_world_is_made_with_what_help_says() -> None:
    with World() as world:
        for parameter in inspect.signature(World).parameters.values():
            if parameter.default is not None:
                assert getattr(world, parameter.name) == parameter.default


# --- numbers that cannot be ----------------------------------------------------------------------

NUMBERS = {
    "device",
    "worker",
    "child",
    "target",
    "fd",
    "map",
    "pipe",
    "pin",
    "source",
    "page",
    "index",
}
NUMBERS |= {"offset", "start", "pages", "pfn", "value", "ticks", "number"}
GOOD: dict[str, Any] = {"file": "f", "size": 1, "type": "private", "length": 1}
GOOD |= {**dict.fromkeys(NUMBERS, 1), "pgmap": World().memremap_pages("private", 1)}
FAR = {"value": 2**64, "ticks": 2**32}
"""What is too much where a thousand million is not."""


def refusal(call: Callable[[], object]) -> type[BaseException]:
    with pytest.raises((errors.PgmapError, TypeError, ValueError)) as caught:
        call()
    return caught.type


@pytest.mark.parametrize("method", METHODS)
def test_too_small_and_too_large_are_refused_alike(method: str) -> None:
    parameters = [p for p in inspect.signature(getattr(World, method)).parameters if p != "self"]
    with World() as world:
        for parameter in NUMBERS.intersection(parameters):
            good = {p: GOOD[p] for p in parameters if p in GOOD}
            for bad in (-1, FAR.get(parameter, 10**9)):
                called = {**good, parameter: bad}
                assert refusal(lambda c=called: getattr(world, method)(**c)) is OutOfRange  # type: ignore[misc]


@pytest.mark.parametrize("size", sorted(World().geometry))
@pytest.mark.parametrize("value", [-1, 10**9, 2**70])
def test_a_size_is_refused_alike_by_a_world_and_a_search(size: str, value: int) -> None:
    assert refusal(lambda: World(geometry={size: value})) is OutOfRange
    assert refusal(lambda: explore("w0 nop", geometry={size: value})) is OutOfRange


@pytest.mark.parametrize("argument", ["preemptions", "schedules", "threads", "seed"])
def test_a_number_of_a_search_is_refused_alike(argument: str) -> None:
    given: list[dict[str, Any]] = [{argument: value} for value in (-1, 2**70)]
    refused = {refusal(lambda g=g: explore("w0 nop", **g)) for g in given}  # type: ignore[misc]
    assert len(refused) == 1


def test_what_is_wrong_with_a_number_is_a_value_error_too() -> None:
    assert issubclass(OutOfRange, ValueError)
    assert not issubclass(Stuck, ValueError)
