"""Exceptions named for what happened."""

from __future__ import annotations

import errno
import inspect
import os
import pickle
import signal

import pytest

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


@pytest.mark.parametrize(
    "error",
    [
        errors.Busy("2 references"),
        errors.KernelError("odd", errno.EREMOTEIO),
        errors.HangDetected("stuck", ["w0"], ["w1"]),
        errors.ProgramError(3, "no file 'g'"),
        errors.BusError("beyond the end"),
        errors.InternalError("bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_pickle(error: errors.PgmapError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert getattr(copy, "errno", None) == getattr(error, "errno", None)


def test_bad_input_is_a_value_error() -> None:
    for cls in (errors.RecordingError, errors.RuleError, errors.EraError):
        assert issubclass(cls, ValueError)
    program = errors.ProgramError(3, "no file 'g'")
    assert isinstance(program, ValueError)
    assert (program.line, program.reason, str(program)) == (3, "no file 'g'", "line 3: no file 'g'")
