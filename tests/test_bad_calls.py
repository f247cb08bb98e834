"""Bad calls: each is an exception with a sentence, and the world goes on.

The calls are generated from the signatures of the class, so a new method is covered when it is
added. A call is made bad by one argument at least: of the wrong type, out of any range, unknown, or
missing.
"""

from __future__ import annotations

import inspect
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from pgmap import Program, World
from pgmap.errors import InternalError, PgmapError, WorldClosed

SEED = 20
CALLS = 12_000

NO_INT: list[Any] = [1.0, float("nan"), float("inf"), "1", b"1", None, [], {}, (), object(), 1j]
FAR: list[Any] = [-1, -(2**31), -(2**63), -(2**64), 2**64, 2**65, 10**400, -(10**5000)]
SMALL = [*NO_INT, *FAR, 64, 255, 256, 2**31, 2**32]
BIG = [*NO_INT, *FAR, 2**28 + 1, 2**31, 2**32, 2**63]
NAMES: list[Any] = ["", " ", "a b", "a\0", "\ud800", "\n", "x" * 65, "ä", "..", 7.5, None, b"f", []]
WORDS: list[Any] = ["", "x", "RW", "\0", "\ud800", "r" * 9999, 0, None, b"rw", 1.5, []]

# By name of a parameter: what it takes, and what it does not.
GOOD: dict[str, list[Any]] = {
    **{
        n: [0, 1]
        for n in ("worker", "child", "target", "fd", "map", "pipe", "pin", "source", "device")
    },
    **{n: [0, 1, 7] for n in ("page", "index", "offset", "start")},
    "pages": [1, 2],
    "room": [0, 2],
    "reference": [0, 3],
    "driver": ["driver d 2 alloc pop page_free push"],
    "pfn": [0, 5],
    "value": [0, 2**64 - 1],
    "ticks": [0],
    "number": [0, 200, 255],
    "file": ["f"],
    "mode": ["rw", "ro"],
    "access": ["r", "w"],
    "prot": ["r", "rw"],
    "sharing": ["shared"],
    "align": ["natural", "odd"],
    "layout": ["huge", "contiguous"],
    "state": ["written", "sparse"],
    "kind": ["anon", "anonhuge"],
    "memory": ["private", "coherent"],
    "longterm": [False],
    "step": ["w0 nop"],
    "program": [Program.parse("w0 nop")],
    "type": ["private"],
    "shift": [0],
    "length": [1],
    # Of another world, so that no call does anything.
    "pgmap": [World().memremap_pages("private", 1)],
}
BAD: dict[str, list[Any]] = {
    **dict.fromkeys(["worker", "child", "target", "fd", "map", "pipe", "source", "device"], SMALL),
    "pin": [*NO_INT, *FAR, 2**16],
    **dict.fromkeys(["page", "index", "offset", "start"], BIG),
    "ticks": [*NO_INT, *FAR, 2**32],
    "number": [*NO_INT, *FAR, 256, 2**32],
    "pages": [*BIG, 2**28 + 2],
    "room": [*BIG, 2**28 + 2],
    "reference": [*NO_INT, *FAR, 4, 2**32],
    "pfn": [*NO_INT, *FAR, 2**31, 2**32],
    "value": [*NO_INT, *FAR],
    "file": NAMES,
    **dict.fromkeys(
        ["mode", "access", "prot", "sharing", "align", "layout", "state", "kind", "memory"], WORDS
    ),
    "longterm": [0, 1, None, "yes", 2.0],
    "step": [
        *["", "w0", "w64 nop", "w-1 nop", "nonsense", "w0 nop | w0 nop", "w0 nop\nw0 nop", "# no"],
        *[
            "w0 open 0",
            "w0 open 0 zzz rw",
            "w0 r 0 99999999999",
            "file f 1",
            "w0 spawn &",
            "\ud800",
        ],
        *["w0 mmap 0 f 0 1 rwx shared", "w0 pin 0 0 0", "x" * 10_000, None, 5, b"w0 nop", object()],
    ],
    "driver": [
        *["", "d", "driver d", "file f 1", "w0 nop", "driver d 0 alloc pop page_free"],
        *["driver d 65 alloc pop page_free", "driver d 2 alloc pop page_free lock(l)", "\ud800"],
        *["x" * 10_000, None, 5, b"d", object()],
    ],
    "program": [None, "w0 nop", 5, object(), World],
    "type": WORDS,
    "shift": [*NO_INT, *FAR, 19],
    "length": BIG,
    "pgmap": [None, 5, "x", object()],
}
OPTIONAL_NONE = {("munmap", "page"), ("munmap", "pages"), ("close", "worker"), ("close", "fd")}
OPTIONAL_NONE |= {(m, "pin") for m in ("unpin", "dma_read", "dma_write")}
OPTIONAL_NONE |= {("dio_read", "ticks"), ("dio_write", "ticks")}
PLAIN = {"nop", "settled", "waiters", "complete_io", "tick", "umount", "unbind", "bind"}
PLAIN |= {"violations", "quiescence", "tallies"}


def methods() -> dict[str, inspect.Signature]:
    public = {n: m for n, m in inspect.getmembers(World, callable) if not n.startswith("_")}
    return {name: inspect.signature(method) for name, method in public.items()}


def spoil(
    rng: random.Random, name: str, signature: inspect.Signature
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of which at least one is bad."""
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    kind = rng.random()
    if not parameters or kind < 0.08:
        return [object()] * (len(parameters) + 1), {}
    good = {p.name: rng.choice(GOOD[p.name]) for p in parameters}
    if kind < 0.14:
        return [], {**good, "no_such_argument": 1}
    required = [p.name for p in parameters if p.default is p.empty]
    if kind < 0.2 and required:
        del good[rng.choice(required)]
        return [], good
    for spoiled in rng.sample(parameters, rng.randint(1, len(parameters))):
        choices = BAD[spoiled.name]
        if (name, spoiled.name) in OPTIONAL_NONE:
            choices = [c for c in choices if c is not None]
        good[spoiled.name] = rng.choice(choices)
    return [], good


def generated(count: int) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    rng = random.Random(SEED)
    signatures = methods()
    names = sorted(signatures)
    for n in range(count):
        name = names[n % len(names)]
        yield name, *spoil(rng, name, signatures[name])


def refuses(call: Callable[[], object]) -> Exception:
    """The exception of a call that must raise one with a sentence."""
    with pytest.raises((PgmapError, ValueError, TypeError)) as caught:
        call()
    assert not isinstance(caught.value, InternalError), caught.value
    assert len(str(caught.value)) > 8, repr(caught.value)
    return caught.value


def small_world() -> World:
    sizes = {"pmd_order": 2, "pages": 64, "dev_pages": 16, "file_pages_max": 16}
    return World(geometry=sizes, deadline=5)


def exercise(world: World) -> None:
    """Uses a bit of everything, and leaves nothing behind."""
    world.create("e", 8, "written", "huge")
    world.spawn(20)
    world.open(20, 0, "e")
    world.mmap(20, 0, 0, 0, 8)
    world.store(20, 0, 5, 55)
    pinned = world.pin(20, 0, 4, 2)
    assert world.unpin(20, pinned) == 2
    assert world.pread(20, 0, 5) == (55,)
    world.unlink(20, "e")
    world.exit(20)


def test_every_parameter_has_good_and_bad_values() -> None:
    used = {p for s in methods().values() for p in s.parameters if p != "self"}
    assert used <= set(GOOD)
    assert used <= set(BAD)
    assert set(methods()) >= PLAIN


def test_ten_thousand_bad_calls_are_refused_and_change_nothing() -> None:
    kinds: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    with small_world() as world:
        world.create("f", 8)
        world.spawn(0)
        for n, (name, args, kwargs) in enumerate(generated(CALLS)):
            try:
                refused = refuses(partial(getattr(world, name), *args, **kwargs))
            except BaseException as wrong:
                raise AssertionError(f"{name}(*{args}, **{kwargs}): {wrong}") from wrong
            kinds[type(refused).__name__] += 1
            tried[name] += 1
            if n % 1000 == 0:
                exercise(world)
        exercise(world)
        world.exit(0)
        assert world.quiescence() == ()
        assert world.violations() == ()
    assert sum(kinds.values()) == CALLS
    assert set(tried) == set(methods())
    assert {"OutOfRange", "TypeError", "ValueError", "ProgramError"} <= set(kinds)


def test_what_only_the_machine_can_refuse() -> None:
    with small_world() as world:
        world.create("f", 8)
        world.spawn(0)
        world.open(0, 0, "f")
        world.open(0, 1, "f", "ro")
        world.open(0, 2, "/dev/nullb0")
        world.mmap(0, 0, 0, 0, 4)
        world.mmap(0, 1, 1, 0, 4, "r")

        def fill() -> None:
            for n in range(4):
                world.create(f"big{n}", 16)

        bad: dict[str, list[Callable[[], object]]] = {
            "ESRCH": [lambda: world.exit(5), lambda: world.close(5, 0), lambda: world.fork(5, 6)],
            "EEXIST": [
                lambda: world.spawn(0),
                lambda: world.fork(0, 0),
                lambda: world.create("f", 1),
            ],
            "ENOENT": [
                lambda: world.open(0, 3, "zzz"),
                lambda: world.unlink(0, "zzz"),
                lambda: world.pread(0, "zzz", 0),
                lambda: world.page("zzz", 0),
                lambda: world.size("zzz"),
                lambda: world.extents("zzz"),
            ],
            "EBADF": [
                lambda: world.close(0, 9),
                lambda: world.pread(0, 9, 0),
                lambda: world.pwrite(0, 1, 0, 1),
                lambda: world.mmap(0, 5, 9, 0, 1),
                lambda: world.vmsplice(0, 9, 0, 0),
                lambda: world.dio_write(0, 0, 0, 0),
                lambda: world.tee(0, 1, 2),
            ],
            "EINVAL": [
                lambda: world.munmap(0, 9),
                lambda: world.munmap(0, 0, 3, 2),
                lambda: world.load(0, 9, 0),
                lambda: world.unpin(0),
                lambda: world.unpin(0, 3),
                lambda: world.dma_read(0),
                lambda: world.ftruncate(0, "f", 17),
                lambda: world.punch(0, "f", 16),
                lambda: world.mmap(0, 5, "f", 0, 2**28),
                lambda: world.frame(10**6),
                lambda: world.holders(10**6),
                lambda: world.page("f", 16),
                lambda: world.dev_alloc(0, 15, 2),
                lambda: world.pin(0, 0, 0, 2**28),
            ],
            "EFAULT": [lambda: world.pin(0, 9, 0), lambda: world.process_vm_readv(0, 0, 0, 2**28)],
            "EACCES": [lambda: world.mmap(0, 5, 1, 0, 1)],
            "EOPNOTSUPP": [
                lambda: world.pin(0, 0, 0, longterm=True),
                lambda: world.uring_register(0, 0, 0),
            ],
            "ENXIO": [lambda: world.uring_unregister(0), lambda: world.dev_get(0, 0)],
            "EBUSY": [
                lambda: world.mmap(0, 0, 0, 0, 1),
                lambda: world.umount(),
                lambda: world.bind(),
            ],
            "ENOSPC": [fill],
        }
        for errno, calls in bad.items():
            for at, call in enumerate(calls):
                refused = refuses(call)
                assert getattr(refused, "name", None) == errno, f"{errno} {at}: {refused!r}"
        for deadly in (
            lambda: world.load(0, 0, 2**28),
            lambda: world.store(0, 1, 0, 1),
            lambda: world.touch(0, 0, 0, 2**28, "w"),
        ):
            assert type(refuses(deadly)).__name__ == "SegmentationFault"
        world.exit(0)
        assert world.quiescence() == ()
        exercise(world)


def test_a_closed_world_says_so_whatever_is_asked() -> None:
    world = small_world()
    world.create("f", 8)
    world.close()
    world.close()
    assert world.closed
    for name, signature in methods().items():
        parameters = [p for p in signature.parameters.values() if p.name != "self"]
        good = {p.name: GOOD[p.name][0] for p in parameters}
        if name == "close":
            good = {"worker": 0, "fd": 0}
        with pytest.raises(WorldClosed, match="closed"):
            getattr(world, name)(**good)


SIZES = sorted(World().geometry)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [-1, 2**70, 1.5, "1", float("nan"), [], 2**32 - 1], ids=repr)
def test_a_size_no_world_can_have_is_refused(size: str, value: Any) -> None:
    refused = refuses(lambda: World(geometry={size: value}))
    assert size in str(refused)


DEADLINES: list[Any] = [0, -1, float("nan"), float("inf"), 10**400, "1", None, []]
NONSENSE: list[dict[str, Any]] = [
    {"era": "v9"},
    {"era": 5},
    {"rules": {"no-such-rule": "on"}},
    {"rules": {"zap-put": "never"}},
    {"rules": {1: 2}},
    {"rules": ["zap-put=before-flush"]},
    {"rules": "zap-put=before-flush"},
    *[{"deadline": bad} for bad in DEADLINES],
    {"checks": "yes"},
    {"stuck": "never"},
    {"stuck": None},
    {"geometry": {"pages": 8, "file_pages_max": 16}},
    {"geometry": {"pin_bias": 1000}},
    {"geometry": {"no_such_size": 1}},
    {"geometry": {1: 1}},
    {"geometry": [("pages", 8)]},
    {"geometry": "pages=8"},
    {"no_such_argument": 1},
]


@pytest.mark.parametrize("arguments", NONSENSE, ids=repr)
def test_a_world_that_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    refuses(lambda: World(**arguments))


def test_text_that_is_no_program_is_refused() -> None:
    rng = random.Random(SEED)
    words = ["w0", "w1", "w99", "file", "f", "g", "0", "1", "99999999999", "-1", "mmap", "pin"]
    words += ["spawn", "fork", "rw", "shared", "|", "&", "#", "zzz", "\0", "ä", "é", "\ud800"]
    programs = 0
    for _ in range(1000):
        text = " ".join(rng.choice(words) for _ in range(rng.randint(2, 9)))
        try:
            Program.parse(text)
        except (PgmapError, ValueError) as wrong:
            refused = wrong
        else:
            programs += 1
            continue
        assert len(str(refused)) > 8
    assert programs < 100
    wrong_types: list[Any] = [None, 5, b"w0 nop", ["w0 nop"]]
    for wrong_type in wrong_types:
        refuses(partial(Program.parse, wrong_type))
