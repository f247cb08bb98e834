"""What a wheel must be: its tags, its one extension module, and that it runs where nothing else is.

`make wheel` runs this on what it built; the tests run it on wheels of their own.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import children

OLDEST = 10
"""Of Python 3."""

NAME = re.compile(
    r"pgmap-(?P<version>[^-]+)-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl"
)
GLIBC = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")
SMOKE = """
import pgmap
with pgmap.World() as world:
    world.create("f", 1)
    assert world.size("f") == 1
assert isinstance(pgmap.explore("w0 nop"), pgmap.verdicts.Verdict)
"""


@dataclass(frozen=True)
class Wheel:
    """A wheel by its name, with its extension modules."""

    python: str
    abi: str
    platform: str
    modules: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Wheel:
        """The wheel at `path`."""
        named = NAME.fullmatch(path.name)
        if named is None:
            raise ValueError(f"{path.name} is not the name of a wheel of pgmap")
        with zipfile.ZipFile(path) as archive:
            modules = {n: archive.read(n) for n in archive.namelist() if n.endswith(".so")}
        return cls(named["python"], named["abi"], named["platform"], modules)


def section_names(elf: bytes) -> list[str]:
    """The sections of a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")

    def number(at: int, size: int) -> int:
        return int.from_bytes(elf[at : at + size], "little")

    table, size, count, names = number(40, 8), number(58, 2), number(60, 2), number(62, 2)
    strings = number(table + names * size + 24, 8)

    def name(section: int) -> str:
        start = strings + number(table + section * size, 4)
        return elf[start : elf.index(b"\0", start)].decode()

    return [name(section) for section in range(count)]


def newest_glibc(elf: bytes) -> tuple[int, int]:
    """The glibc that the module asks for."""
    return max((int(major), int(minor)) for major, minor in GLIBC.findall(elf))


def complaints(wheel: Wheel) -> Iterator[str]:
    """What is wrong with it."""
    version = re.fullmatch(r"cp3(\d+)", wheel.python)
    if wheel.abi not in (wheel.python, f"{wheel.python}t"):
        yield f"{wheel.python}-{wheel.abi} is not for one Python: the stable ABI costs too much"
    if version is None or int(version[1]) < OLDEST:
        yield f"{wheel.python} is no Python from 3.{OLDEST} on"
    promised = re.match(r"manylinux_(\d+)_(\d+)_", wheel.platform)
    if promised is None:
        yield f"{wheel.platform} promises no glibc: no manylinux tag"
    if len(wheel.modules) != 1:
        yield f"{len(wheel.modules)} extension modules"
    for name, elf in wheel.modules.items():
        if debug := [s for s in section_names(elf) if s.startswith((".debug_", ".symtab"))]:
            yield f"{name} is not stripped: {', '.join(debug)}"
        if promised and newest_glibc(elf) > (int(promised[1]), int(promised[2])):
            yield f"{name} needs glibc {'.'.join(map(str, newest_glibc(elf)))}: {wheel.platform}"


def interpreter(wheel: Wheel) -> str | None:
    """The Python that a wheel is for, if there is one here."""
    own = f"cp3{sys.version_info.minor}{sys.abiflags}"
    name = f"python3.{wheel.abi.removeprefix('cp3')}"
    return sys.executable if wheel.abi == own else shutil.which(name)


def run_alone(path: Path, base: str) -> None:
    """Install the wheel into an empty virtual environment and use it there."""
    with tempfile.TemporaryDirectory() as folder:
        children.run([base, "-m", "venv", "--without-pip", folder], check=True)
        python = str(Path(folder, "bin", "python"))
        install = ["-m", "pip", "--python", python, "--disable-pip-version-check", "install"]
        alone = ["--quiet", "--no-index", "--no-deps", str(path)]
        children.run([sys.executable, *install, *alone], check=True)
        children.run([python, "-I", "-c", SMOKE], check=True)


def main(*names: str) -> str | None:
    """Look at wheels; what is wrong with them, or None."""
    wrong = []
    for path in map(Path, names):
        wheel = Wheel.read(path)
        wrong += [f"{path.name}: {complaint}" for complaint in complaints(wheel)]
        base = interpreter(wheel)
        if base is None:
            wrong.append(f"{path.name}: there is no Python here to try it with")
        else:
            run_alone(path.resolve(), base)
    return "\n".join(wrong) or (None if names else "no wheel")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
