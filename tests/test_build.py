"""Programs built in Python are what one would have written, and tests can assert on them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

from pgmap import Driver, Exhausted, Found, Program, errors, explore
from pgmap._operations import by_word, operations
from pgmap.build import Builder, Handle, Worker
from pgmap.driver import pop, push

ORACLE = """\
file f 1 written
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0
w0 unpin 0
t: w1 ftruncate f 0
expect w0.1 = ok or w0.1 = EFAULT
never t = EINTR and not w0.2 = ok
sometimes t = ok
"""


def test_a_program_is_built_as_it_would_be_written() -> None:
    with Program.build() as p:
        f = p.file()
        a, b = p.worker(), p.worker()
        m = a.mmap(f)
        a.w(m)
        p.start()
        pin = a.pin(m, 0)
        given_back = a.unpin(pin)
        t = b.ftruncate(f, 0, label="t")
        p.expect(pin.ok | pin.gives("EFAULT"))
        p.never(t.gives("EINTR") & ~given_back.ok)
        p.sometimes("t = ok")
    assert str(p) == p.text == p.program.text == ORACLE
    assert eval(repr(p), {"Program": Program}) == p.program
    assert isinstance(explore(p, preemptions=1, strategy="bounds"), Exhausted)


def test_what_is_left_out_is_what_the_language_leaves_out() -> None:
    p = Program.build()
    f = p.file(4, "unwritten", "huge", name="data")
    a = p.worker(3)
    fd = a.open(f)
    device = a.open("/dev/nullb0")
    m = a.mmap(fd, 1)
    one, two = a.pipe(), a.pipe()
    a.vmsplice(one, m)
    a.tee(one, two, 2)
    pin = a.pin(m, access="w")
    a.dma_write(value=7)
    a.dma_write(pin)
    a.dio_read(device, m, pages=2, wait=False)
    a.munmap(m, (0, 1))
    child = p.worker()
    a.fork(child)
    p.wait(a)
    p.wait()
    assert p.text.splitlines() == [
        "file data 4 unwritten huge",
        "w3 open 0 data rw",
        "w3 open 1 /dev/nullb0 rw",
        "w3 mmap 0 0 1 3 rw shared",
        "w3 pipe 0",
        "w3 pipe 1",
        "w3 vmsplice 0 0 0 1",
        "w3 tee 0 1 2",
        "w3 pin 0 0 w",
        "w3 dma_write - 7",
        "w3 dma_write 0",
        "w3 dio_read 1 0 0 2 &",
        "w3 munmap 0 0 1",
        "w3 fork 1",
        "wait w3",
        "wait",
    ]


# --- the table -----------------------------------------------------------------------------------


def test_every_operation_of_the_table_is_a_method_that_help_tells() -> None:
    for op in operations():
        for word in op.words:
            method = getattr(Worker if op.by == "worker" else Builder, word)
            assert method.__doc__.startswith(op.sentence)
            names = list(inspect.signature(method).parameters)
            assert len(names) == len(op.arguments) - (op.made is not None) + 3


def built(op_word: str) -> str:
    """A program of every kind of handle, and then one operation with as little as it takes."""
    p = Program.build()
    f, d = p.file(4), p.driver(Driver("d", alloc=[pop()], page_free=[push()]))
    a, b = p.worker(), p.worker()
    own: dict[str, object] = {"mapping": a.mmap(f), "fd": a.open(f), "pipe": a.pipe()}
    own["pin"] = a.pin(own["mapping"])
    theirs, device = b.mmap(f), a.open("/dev/nullb0")
    values = {**own, "file": f, "openable": f, "name": f, "worker": b, "size": 0, "value": 1}
    values |= {"reference": 0, "fd_number": 200, "driver": d}
    op = by_word("worker")[op_word]
    given = {"theirs": theirs, "device": device}
    arguments = [a for a in op.arguments if a is not op.made]
    args = [
        None if it.optional else given.get(it.role or "", values.get(it.kind)) for it in arguments
    ]
    if op_word in ("fork", "thread"):
        args = [p.worker(5)]
    getattr(p.worker(6) if op_word == "spawn" else a, op_word)(*args)
    return p.text


@pytest.mark.parametrize("word", sorted(by_word("worker")))
def test_every_operation_can_be_built(word: str) -> None:
    assert re.search(rf"^w[06] {word}\b", built(word), re.MULTILINE)


# --- mistakes ------------------------------------------------------------------------------------


@pytest.fixture
def p() -> Builder:
    return Program.build()


@pytest.mark.parametrize(
    ("mistake", "kind", "told"),
    [
        (lambda p, a, b, f, m: a.pinn(m), AttributeError, "did you mean pin or unpin?"),
        (lambda p, a, b, f, m: p.slep(), AttributeError, "did you mean sleep?"),
        (lambda p, a, b, f, m: a.ftruncate(f), TypeError, "ftruncate needs pages"),
        (lambda p, a, b, f, m: a.munmap(f), errors.ProgramError, "M is"),
        (lambda p, a, b, f, m: a.munmap(7), errors.ProgramError, "w0 has no mapping 7"),
        (lambda p, a, b, f, m: b.munmap(m), errors.ProgramError, "w1 has no mapping 0"),
        (lambda p, a, b, f, m: a.unpin(m), TypeError, "pin is a pin, and this is a mapping"),
        (lambda p, a, b, f, m: b.unpin(a.pin(m)), TypeError, "a pin of w0, not of w1"),
        (lambda p, a, b, f, m: a.unpin(a.nop()), TypeError, "that step makes nothing"),
        (lambda p, a, b, f, m: a.r(m, 0.5), TypeError, "float"),
        (lambda p, a, b, f, m: p.file(), errors.ProgramError, "file"),
        (lambda p, a, b, f, m: a.pin(m, access="x"), errors.ProgramError, "must be r or w"),
        (lambda p, a, b, f, m: a.unlink("f\nstart"), errors.ProgramError, "more than one line"),
        (lambda p, a, b, f, m: bool(m.ok), TypeError, "neither true nor false"),
        (lambda p, a, b, f, m: p.expect(m.ok), errors.ProgramError, "set-up"),
        (lambda p, a, b, f, m: p.expect("w0.3 = ok"), errors.ProgramError, "w0"),
    ],
)
def test_a_mistake_is_told_where_it_is_made(
    p: Builder, mistake: Callable[..., object], kind: type[Exception], told: str
) -> None:
    f = p.file()
    a, b = p.worker(), p.worker()
    m = a.mmap(f)
    before = p.text
    with pytest.raises(kind, match=re.escape(told)):
        mistake(p, a, b, f, m)
    assert p.text.startswith(before)


def test_a_refused_step_is_no_part_of_the_program(p: Builder) -> None:
    a = p.worker()
    f = p.file()
    m = a.mmap(f)
    p.start()
    with pytest.raises(errors.ProgramError):
        a.pin(m, 2**40)
    assert a.pin(m) == Handle("w0.1", 0, "pin", 0, f)


# --- functions -----------------------------------------------------------------------------------


def test_functions_are_recorded_once() -> None:
    setup = Program.build()
    f = setup.file()
    a = setup.worker()
    m = a.mmap(f)
    a.w(m, 0)
    before = setup.text
    verdict = explore(
        setup=setup,
        workers=[lambda w: w.munmap(m), lambda w: w.ftruncate(f, 0)],
        rules={"zap-put": "before-flush"},
    )
    assert isinstance(verdict, Found)
    assert verdict.finding.invariant == "I22"
    assert setup.text == before


def test_what_a_set_up_returns_is_given_to_the_functions() -> None:
    def setup(p: Builder) -> Handle:
        p.file()
        return p.worker().mmap("f", pages=1)

    verdict = explore(
        setup=setup, workers=[lambda w, m: w.r(m), lambda w, m: w.fsync("f")], preemptions=0
    )
    assert verdict.program.splitlines()[1:] == [
        "w0 mmap 0 f 0 1 rw shared",
        "start",
        "w0 r 0 0",
        "w1 fsync f",
    ]


def test_a_search_is_of_one_thing() -> None:
    def nothing(w: Worker) -> None:
        w.nop()

    with pytest.raises(TypeError, match="not both"):
        explore("w0 nop", workers=[nothing])
    with pytest.raises(TypeError, match="needs workers"):
        explore(setup=Program.build())
    with pytest.raises(TypeError, match="must be a str"):
        explore()


# --- assert_holds --------------------------------------------------------------------------------

BROKEN = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\nw1 ftruncate f 0\n"


def test_a_broken_program_fails_a_test_with_all_that_is_known() -> None:
    verdict = explore(BROKEN, rules={"zap-put": "before-flush"})
    with pytest.raises(AssertionError) as caught:
        verdict.assert_holds()
    assert isinstance(verdict, Found)
    told = str(caught.value)
    assert verdict.report in told
    assert f"token: {verdict.token}" in told
    test = told[told.index("import pgmap\n") :]
    space: dict[str, Callable[[], None]] = {}
    exec(test, space)
    with pytest.raises(errors.DoesNotHold, match="I22"):
        space["test_it_holds"]()


def test_what_is_unproven_holds_only_where_that_is_enough() -> None:
    explore(BROKEN, preemptions=0, strategy="bounds").assert_holds(exhausted=True)
    cut = explore(BROKEN, schedules=3, strategy="bounds")
    cut.assert_holds()
    with pytest.raises(errors.DoesNotHold, match="not found in"):
        cut.assert_holds(exhausted=True)


def test_what_proves_nothing_or_never_happens_does_not_hold() -> None:
    stuck = BROKEN.replace("w0 munmap 0", "w0 nop").replace("w0 w 0 0", "w0 pin 0 0")
    with pytest.raises(errors.DoesNotHold, match="inconclusive"):
        explore(stuck, preemptions=0, strategy="bounds").assert_holds()
    with pytest.raises(errors.DoesNotHold, match=r"sometimes w0\.1 = EINVAL"):
        explore(BROKEN + "sometimes w0.1 = EINVAL", preemptions=0).assert_holds()


def test_a_test_to_paste_has_memory_and_translations_too() -> None:
    verdict = explore(BROKEN, memory="tso", speculative_tlb=True, preemptions=0, schedules=1)
    with pytest.raises(errors.DoesNotHold) as caught:
        verdict.assert_holds(exhausted=True)
    assert 'memory="tso", speculative_tlb=True' in str(caught.value)
