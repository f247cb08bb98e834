"""What a command is called where this one runs, so that a line of it can be pasted.

In texts a command is written ``python -m pgmap.stress``, which is what a report that travels says.
Shown to somebody it is what works for them: another name or the path of the interpreter where
``python`` is not the one with pgmap in it, and ``pgmap stress`` for whoever came in that way.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

SCRIPT = "pgmap"
_COMMAND = re.compile(r"python -m pgmap(?:\.(\w+))?\b")


def here(text: str) -> str:
    """`text` with each command as it is called here."""
    if "python -m pgmap" not in text:
        return text
    script = _script()
    if script is not None:
        return _COMMAND.sub(lambda found: " ".join(filter(None, (script, found[1]))), text)
    python = _python()
    return _COMMAND.sub(lambda found: python + found[0].removeprefix("python"), text)


def _script() -> str | None:
    """The console script, if that is how this process was started."""
    started = Path(sys.argv[0])
    if started.name != SCRIPT:
        return None
    return _typed(started, (SCRIPT,))


def _python() -> str:
    return _typed(Path(sys.executable or "python"), ("python", "python3"))


def _typed(program: Path, names: tuple[str, ...]) -> str:
    """The shortest thing to type for `program`: a name, a path from here, or all of its path."""
    for name in names:
        found = shutil.which(name)
        if found is not None and _same(Path(found), program):
            return name
    return shlex.quote(_path(program))


def _path(program: Path) -> str:
    try:
        below = program.absolute().relative_to(Path.cwd())
    except (ValueError, OSError):
        return str(program)
    # A name without a slash would be looked for in PATH.
    return str(below) if len(below.parts) > 1 else f"./{below}"


def _same(one: Path, other: Path) -> bool:
    """Whether both run in one environment: links of several may end in one interpreter."""
    try:
        return one.parent.samefile(other.parent) and one.samefile(other)
    except OSError:
        return False
