"""Mutants of Rust functions behind a switch.

The body of a function with mutants is written once for each, and once as it was:

    { if planted(1) { .. } else if planted(2) { .. } else { .. } }

so one build has all of them and the environment says which one runs. What is not in a body, in a
body that must be constant, or has another type in each copy, has no switch; the compiler says
which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mutants.lists import Mutant

CRATE = "pgmap-planted"
"""The crate that knows which mutant is planted; in the copy only."""

_FN = re.compile(r"\bfn\s+\$?\w+")
_CONST = re.compile(r"\bconst\s+(unsafe\s+)?$")
_SILENT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^\n]+?|[^'\\\n])'""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Body:
    """What stands between a function's braces."""

    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        return self.start <= start and end <= self.end


@dataclass(frozen=True)
class Copy:
    """The lines, from 1, that one mutant's copy of a body takes in the rewritten file."""

    mutant: Mutant
    first: int
    last: int
    body_first: int
    body_last: int


def bodies(text: str) -> list[Body]:
    """Every function with a body that need not be constant."""
    code = _SILENT.sub(lambda it: re.sub(r"[^\n]", " ", it.group()), text)
    found = []
    for name in _FN.finditer(code):
        opening = _opening(code, name.end())
        if opening is not None and not _CONST.search(code[: name.start()][-40:]):
            found.append(Body(opening + 1, _closing(code, opening)))
    return found


def body_of(mutant: Mutant, text: str) -> Body | None:
    """The innermost function a mutant lies in."""
    start = mutant.at(text)
    around = [body for body in bodies(text) if body.holds(start, start + len(mutant.find))]
    return min(around, key=lambda body: body.end - body.start, default=None)


def switched(text: str, mutants: Mapping[int, Mutant]) -> tuple[str, list[Copy]]:
    """A file's text with its mutants behind switches, by number, and where each copy is."""
    places = {number: body_of(mutant, text) for number, mutant in mutants.items()}
    wanted = {body for body in places.values() if body is not None}
    outermost = sorted(
        (body for body in wanted if not any(_inside(body, other) for other in wanted)),
        key=lambda body: body.start,
    )
    copies: list[Copy] = []
    out, done = "", 0
    for body in outermost:
        out += text[done : body.start]
        first = out.count("\n") + 1
        mine = {
            number: mutants[number]
            for number, place in places.items()
            if place is not None and body.holds(place.start, place.end)
        }
        spans: list[tuple[Mutant, int, int]] = []
        for number, mutant in mine.items():
            out += "\n" if not spans else " else "
            begin = out.count("\n") + 1
            changed = mutant.applied(text)
            longer = len(changed) - len(text)
            out += f"if ::pgmap_planted::planted({number}) {{"
            out += changed[body.start : body.end + longer] + "\n}"
            spans.append((mutant, begin, out.count("\n") + 1))
        out += " else {" + text[body.start : body.end] + "\n}\n"
        last = out.count("\n") + 1
        copies += [Copy(mutant, begin, end, first, last) for mutant, begin, end in spans]
        done = body.end
    return out + text[done:], copies


def blamed(copies: list[Copy], line: int) -> set[Mutant]:
    """Whose switch makes the compiler complain of a line."""
    exactly = {copy.mutant for copy in copies if copy.first <= line <= copy.last}
    return exactly or {copy.mutant for copy in copies if copy.body_first <= line <= copy.body_last}


def _inside(inner: Body, outer: Body) -> bool:
    return inner != outer and outer.holds(inner.start, inner.end)


def _opening(code: str, at: int) -> int | None:
    """The brace that opens a function's body, if it has one."""
    depth = 0
    for index in range(at, len(code)):
        sign = code[index]
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and sign in "{;":
            return index if sign == "{" else None
    return None


def _closing(code: str, opening: int) -> int:
    depth = 0
    for index in range(opening, len(code)):
        depth += (code[index] == "{") - (code[index] == "}")
        if depth == 0:
            return index
    return len(code)
