"""Exceptions named for what happened."""

from __future__ import annotations

import copy
import errno
import inspect
import os
import pickle
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgmap
from pgmap import errors

KERNEL = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, errors.KernelError) and cls is not errors.KernelError
]


def test_everything_public_is_listed_and_is_a_pgmap_error() -> None:
    classes = {
        name
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.PgmapError)
    }
    assert classes | {"kernel_error"} == set(errors.__all__)


@pytest.mark.parametrize("cls", KERNEL, ids=lambda cls: str(cls.__name__))
def test_a_kernel_error_is_an_os_error_with_its_errno(cls: type[errors.KernelError]) -> None:
    with pytest.raises(OSError, match="page 3") as caught:
        raise cls("page 3")
    assert caught.value.errno == cls.usual_errno
    assert cls.usual_errno is not None
    # Python has glibc's ENOTSUP for what the kernel calls EOPNOTSUPP.
    kernels = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}
    assert str(caught.value) == f"{kernels[cls.usual_errno]}: page 3"
    assert cls().strerror == os.strerror(cls.usual_errno)


@pytest.mark.parametrize("cls", KERNEL, ids=lambda cls: str(cls.__name__))
def test_an_errno_finds_its_class(cls: type[errors.KernelError]) -> None:
    assert cls.usual_errno is not None
    built = errors.kernel_error(cls.usual_errno, "why")
    assert isinstance(built, errors.InvalidArgument if cls is errors.OutOfRange else cls)
    assert built.strerror == "why"


def test_an_errno_without_a_class_of_its_own_is_still_a_kernel_error() -> None:
    built = errors.kernel_error(errno.EREMOTEIO, "uncorrectable")
    assert type(built) is errors.KernelError
    assert built.name == "EREMOTEIO"
    assert type(errors.kernel_error(errno.ENXIO)) is errors.NoSuchDevice
    assert errors.kernel_error(9999).name == "errno 9999"


def test_a_bare_kernel_error_needs_an_errno() -> None:
    with pytest.raises(TypeError, match="needs an errno"):
        errors.KernelError("what?")


def test_fatal_signals_know_their_signal() -> None:
    assert errors.BusError("beyond the end").signal is signal.SIGBUS
    assert errors.SegmentationFault("nothing mapped").signal is signal.SIGSEGV


def test_a_hang_tells_who_waits_and_who_holds() -> None:
    hang = errors.HangDetected("no progress for 10 s", ["w0: page 3"], ["w1: pin"])
    assert str(hang) == "no progress for 10 s; waiting: w0: page 3; holding: w1: pin"


# --- how they print and travel -------------------------------------------------------------------

GIVEN: dict[str, Any] = {
    "message": "2 references: it's busy",
    "errno": errno.EREMOTEIO,
    "waiters": ("w0 waits",),
    "holders": ("w1 pin 0", "w2"),
    "line": 3,
    "reason": "no file 'g'",
}
"""By name of a parameter."""


def every_error() -> Iterator[errors.PgmapError]:
    """Each class, made of as little and of as much as it takes."""
    for name in errors.__all__:
        cls: Any = getattr(errors, name)
        if not isinstance(cls, type):
            continue
        parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        taken = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
        if not taken:  # what Exception takes
            yield cls()
            yield cls("one sentence")
            continue
        yield cls(**{p.name: GIVEN[p.name] for p in taken})
        if cls is not errors.KernelError:
            yield cls(*[GIVEN[p.name] for p in taken if p.default is p.empty])
            yield cls(
                GIVEN[taken[0].name], *[GIVEN[p.name] for p in taken[1:] if p.default is p.empty]
            )


def alike(one: errors.PgmapError, other: errors.PgmapError) -> bool:
    def told(error: errors.PgmapError) -> tuple[object, ...]:
        kernels = [getattr(error, name, None) for name in ("errno", "strerror", "filename")]
        return type(error), error.args, str(error), repr(error), vars(error), kernels

    return told(one) == told(other)


def test_every_error_prints_as_it_is_made_and_travels() -> None:
    made = list(every_error())
    assert {type(error).__name__ for error in made} == set(errors.__all__) - {"kernel_error"}
    for error in made:
        assert alike(eval(repr(error), vars(errors)), error), repr(error)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert alike(pickle.loads(pickle.dumps(error, protocol)), error), repr(error)
        assert alike(copy.copy(error), error)
        assert alike(copy.deepcopy(error), error)


def test_likeness_is_told_from_difference() -> None:
    assert not alike(errors.Busy("x"), errors.Busy("y"))
    assert not alike(errors.Busy("x"), errors.Exists("x"))
    assert not alike(errors.PermissionRefused("x"), errors.PermissionRefused("x", errno.EACCES))
    assert not alike(errors.Stuck("x", ["w0"]), errors.Stuck("x"))


def test_an_error_prints_shortly() -> None:
    assert repr(errors.Busy("x")) == "Busy('x')"
    assert (
        repr(errors.PermissionRefused("x", errno.EACCES))
        == f"PermissionRefused('x', {errno.EACCES})"
    )
    assert repr(errors.ProgramError(3, "no file 'g'")) == """ProgramError(3, "no file 'g'")"""
    assert repr(errors.WorldClosed()) == "WorldClosed()"


def test_what_was_added_to_an_error_travels_with_it() -> None:
    error = errors.NoSuchFile("f")
    error.__notes__ = ["step 3"]  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["step 3"]


# --- the names -----------------------------------------------------------------------------------


def test_no_error_shares_its_name_with_a_value() -> None:
    values = {*pgmap.verdicts.__all__, *pgmap.results.__all__}
    assert values.isdisjoint(errors.__all__)
    public = {name for name in pgmap.__all__ if name in errors.__all__}
    assert {getattr(pgmap, name) for name in public} == {getattr(errors, name) for name in public}


def test_a_deadline_is_a_timeout_and_not_a_signal() -> None:
    assert issubclass(errors.DeadlineExceeded, TimeoutError)
    assert not issubclass(errors.DeadlineExceeded, (errors.Interrupted, errors.KernelError))
    assert issubclass(errors.HangDetected, errors.Stuck)
    assert not issubclass(errors.HangDetected, TimeoutError)


def test_bad_input_is_a_value_error() -> None:
    for cls in (errors.RecordingError, errors.RuleError, errors.EraError, errors.OutOfRange):
        assert issubclass(cls, ValueError)
    program = errors.ProgramError(3, "no file 'g'")
    assert isinstance(program, ValueError)
    assert (program.line, program.reason, str(program)) == (3, "no file 'g'", "line 3: no file 'g'")


def test_every_class_that_the_core_raises_is_one_of_these() -> None:
    source = Path(__file__).parents[1] / "rust" / "py" / "src" / "raise.rs"
    listed = re.search(r"\nclasses! \{(.*?)\}", source.read_text(encoding="utf-8"), re.DOTALL)
    assert listed is not None
    names = listed[1].split()
    assert "HangDetected" in names
    missing = [name for name in names if not hasattr(errors, name)]
    assert missing == []
