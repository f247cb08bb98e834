"""What the installed package carries."""

from __future__ import annotations

import struct
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import pgmap
from pgmap import _core
from wheels import Wheel, complaints, interpreter, newest_glibc, section_names

INSTALLED = Path(pgmap.__file__).parent


def test_the_package_is_typed_and_its_core_has_stubs() -> None:
    assert (INSTALLED / "py.typed").is_file()
    assert (INSTALLED / "_core.pyi").is_file()


def test_one_version_everywhere() -> None:
    assert pgmap.__version__ == _core.version() == metadata.version("pgmap")
    assert _core.build_info()["version"] == pgmap.__version__


def test_the_licence_is_declared_and_shipped() -> None:
    facts = metadata.metadata("pgmap")
    assert facts["License-Expression"] == "MIT OR Apache-2.0"
    assert set(facts.get_all("License-File") or []) == {"LICENSE-MIT", "LICENSE-APACHE"}


def test_rich_is_the_only_dependency_and_only_for_terminals() -> None:
    needed = [r for r in metadata.requires("pgmap") or [] if "extra ==" not in r]
    assert [r.split(">")[0] for r in needed] == ["rich"]


def test_the_build_under_test_is_a_release_build() -> None:
    assert _core.build_info()["debug_assertions"] is False


# --- wheels --------------------------------------------------------------------------------------

GOOD = "pgmap-0.1.0-cp311-cp311-manylinux_2_34_x86_64.whl"


def elf(*sections: str, glibc: str = "2.34") -> bytes:
    """As much of an ELF file as names its sections and a version of glibc."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [".shstrtab", *sections])
    dynamic = b"\0GLIBC_2.2.5\0GLIBC_" + glibc.encode() + b"\0"
    at = [names.index(b"\0" + name.encode() + b"\0") + 1 for name in [".shstrtab", *sections]]
    table = 64 + len(names) + len(dynamic)
    head = b"\x7fELF\x02\x01".ljust(40, b"\0") + struct.pack("<Q", table)
    head += struct.pack("<IHHHHHH", 0, 64, 0, 0, 64, len(at), 0)
    rows = [struct.pack("<II", name, 3) + bytes(16) + struct.pack("<Q", 64) for name in at]
    return head + names + dynamic + b"".join(row.ljust(64, b"\0") for row in rows)


def wheel(folder: Path, name: str, *modules: bytes) -> list[str]:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pgmap/__init__.py", "")
        for number, module in enumerate(modules):
            archive.writestr(f"pgmap/_core{number}.so", module)
    return list(complaints(Wheel.read(path)))


STRIPPED = elf(".text", ".dynsym", ".dynstr")


@pytest.mark.parametrize(
    "name", [GOOD, "pgmap-0.1.0-cp314-cp314t-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"]
)
def test_a_wheel_as_it_should_be_is_not_complained_about(tmp_path: Path, name: str) -> None:
    old = elf(".text", glibc="2.17")
    assert wheel(tmp_path, name, old if "2_17" in name else STRIPPED) == []


@pytest.mark.parametrize(
    ("name", "modules", "wrong"),
    [
        (GOOD, [elf(".text", ".debug_line")], "not stripped: .debug_line"),
        (GOOD, [elf(".text", ".symtab")], "not stripped: .symtab"),
        (GOOD, [elf(".text", glibc="2.36")], "needs glibc 2.36"),
        (GOOD, [], "0 extension modules"),
        (GOOD, [STRIPPED, STRIPPED], "2 extension modules"),
        (GOOD.replace("manylinux_2_34", "linux"), [STRIPPED], "no manylinux tag"),
        (GOOD.replace("cp311-cp311", "cp310-abi3"), [STRIPPED], "not for one Python"),
        (GOOD.replace("cp311-cp311", "cp314-cp313t"), [STRIPPED], "not for one Python"),
        (GOOD.replace("cp311", "cp39"), [STRIPPED], "no Python from 3.10 on"),
    ],
)
def test_each_fault_of_a_wheel_is_told(
    tmp_path: Path, name: str, modules: list[bytes], wrong: str
) -> None:
    [told] = wheel(tmp_path, name, *modules)
    assert wrong in told


def test_what_is_no_wheel_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the name of a wheel"):
        wheel(tmp_path, "pgmap-0.1.0.zip", STRIPPED)
    with pytest.raises(ValueError, match="ELF"):
        wheel(tmp_path, GOOD, b"#!/bin/sh")


def test_the_build_under_test_keeps_its_line_tables() -> None:
    """A wheel is stripped; what is developed with can be looked into."""
    module = Path(_core.__file__).read_bytes()
    assert ".debug_line" in section_names(module)
    assert newest_glibc(module) >= (2, 17)


def test_the_build_under_test_is_for_this_python() -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert Path(_core.__file__).name == f"_core{suffix}"


def test_a_wheel_is_tried_with_the_python_it_is_for() -> None:
    def of(abi: str) -> str | None:
        return interpreter(Wheel(abi.removesuffix("t"), abi, "", {}))

    assert of(f"cp3{sys.version_info.minor}{sys.abiflags}") == sys.executable
    assert of("cp399t") is None
