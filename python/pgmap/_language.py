"""The language of programs, as a page: its lines, and the core's table of operations.

``python -m pgmap.explore --language`` prints it, and ``docs/language.md`` is that output.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pgmap._core_facts import ArgumentFact, Facts, OperationFact, PrimitiveFact

WIDTH = 100

LINES = """\
# The language of programs

This page is what `pgmap explore --language` prints; with `--json` the same comes as data.
Write it anew with `make docs` after a change of the table in `rust/program/src/op/table.rs`.

A program is a text: files and drivers, then steps, line by line. `#` begins a comment.

    file f 16 written                     # NAME PAGES [written|unwritten] [contiguous|huge]
    driver d 2 alloc lock(l) pop unlock(l) set_count(1) page_free lock(l) push unlock(l)
    w0 open 0 f rw                        # worker 0 does it
    w0 mmap 0 0 0 16 rw shared | w0 w 0 1 # several steps on one line, left to right
    w1 ftruncate f 0 &                    # & goes on at once; a later wait waits for it
    start                                 # what came before was set-up
    a: w0 pin 0 0                         # a label, for expectations
    w1 punch f 0 1
    sleep                                 # the environment needs no worker
    expect a = ok or w1.1 = EBUSY         # what must come of it

- **Files** are declared before the first step. `written` files have blocks that were written,
  `unwritten` ones blocks that read as zero; `huge` ones lie on a PMD boundary of the device, others
  where no huge page fits.
- **Drivers** are declared there, too: a name, how many pages, and what their functions `alloc` and
  `page_free` do, primitive by primitive (below). Each has its own pages, all on its free list at
  first. A worker takes one by `drv_alloc` and puts it by `drv_put`.
- **Workers** are `w0` to `w63`. One that no `spawn`, `fork` or `thread` starts is started by its
  first step, in a process of its own. Descriptors, mappings and pipes are numbered by the program,
  from 0 to 63 in each process, for all its threads; pins are numbered by their worker's `pin` and
  `get` steps, from 0.
- **Set-up** is what stands before `start`. It runs in order, and a step of it that fails is an
  error of the program. Behind `start` each worker does its own steps in order, and workers run at
  the same time. Without `start` there is no set-up.
- **Labels** name steps for expectations. So do places: `w0.2` is the second step of worker 0 behind
  `start`, `env.1` the first one of the environment.
- **Expectations** are `expect COND` (at the end of every schedule), `never COND` (of none) and
  `sometimes COND` (of one at least). COND is made of `STEP = RESULT` and `STEP != RESULT` with
  `and`, `or`, `not` and brackets. RESULT is `ok`, a value, an error number such as `EBUSY`,
  `SIGBUS`, `SIGSEGV`, or `waits`.

A reference to nothing is refused when the program is read: a file or driver never declared, a
number that no earlier step of the worker made, a worker that has left. What a kernel could be asked
is left to it, however silly: closing or unmapping twice, touching beyond the end.
"""

CALLS = """\
Any call of a worker that does not run returns `ESRCH`. What the model lacks is read, and then
refused with the reason; `pgmap explain` lists it.
"""

PRIMITIVES = """\
LOCK and CELL are names that the driver gives; a cell is a word, 0 at first. What a driver does
wrong is left to it. Refused is what nobody could mean: a lock that a function takes twice or does
not let go of, an `alloc` that takes no page, a `page_free` that takes one. Functions of a program's
own are no primitives: an execution is left anywhere and run again from its start, which such a
function could not bear.
"""

TAKES = {
    "nothing": "",
    "lock": "(LOCK)",
    "cell": "(CELL)",
    "cell_and_value": "(CELL,VALUE)",
    "value": "(VALUE)",
}

STANDS = {
    "anywhere": "both",
    "with_page": "`alloc` behind `pop`, `page_free`",
    "once_in_alloc": "`alloc`, once",
    "in_page_free": "`page_free`",
}

ROLES = {
    "uses": "made before by the same worker",
    "theirs": "made before by the worker named",
    "may_use": "made before, or not",
    "makes": "made here",
    "ends": "gone afterwards",
    "device": "of the slow block device",
}


def page(facts: Facts) -> Iterator[str]:
    """The page, line by line."""
    yield from LINES.splitlines()
    yield ""
    yield "## Operations"
    yield ""
    yield from CALLS.splitlines()
    returns = {it["name"]: it["meaning"] for it in facts["returns"]}
    for by, title in (("worker", "Of a worker"), ("environment", "Of the environment")):
        yield ""
        yield f"### {title}"
        for operation in facts["operations"]:
            if operation["by"] == by:
                yield ""
                yield from entry(operation, returns)
    yield ""
    yield "## Arguments"
    yield ""
    yield "| kind | what it is |"
    yield "|---|---|"
    for kind in facts["kinds"]:
        yield f"| {kind['name']} | {kind['meaning']} |"
    yield ""
    yield "## Primitives of a driver"
    yield ""
    yield from PRIMITIVES.splitlines()
    yield ""
    yield "| primitive | where | what it does |"
    yield "|---|---|---|"
    for it in facts["primitives"]:
        yield f"| `{primitive(it)}` | {STANDS[it['stands']]} | {it['sentence']} |"
    yield ""
    yield "## Words of a hunt"
    yield ""
    yield "`pgmap explore --hunt 'WORD ...'` makes programs of these, on a file `f` of one page."
    yield ""
    yield "| word | what a worker does |"
    yield "|---|---|"
    for operation in facts["operations"]:
        for hunted in operation["hunted"]:
            yield f"| {hunted['word']} | `{hunted['text']}` |"


def primitive(it: PrimitiveFact) -> str:
    """A primitive of a driver, as it is written."""
    return it["word"] + TAKES[it["takes"]]


def entry(operation: OperationFact, returns: dict[str, str]) -> Iterator[str]:
    """One operation."""
    who = "wN " if operation["by"] == "worker" else ""
    said = [f"{who}{word} {operation['usage']}".rstrip() for word in operation["words"]]
    yield "#### " + " or ".join(f"`{text}`" for text in said)
    yield ""
    yield from textwrap.wrap(operation["sentence"], WIDTH)
    yield ""
    for argument in operation["arguments"]:
        if argument["usage"]:
            yield from told(f"`{argument['usage']}`: {what(argument)}")
    yield from told(f"returns {returns[operation['returns']]}")
    ends = operation["errnos"] + operation["deaths"]
    if ends:
        yield from told(f"or {' '.join(ends)}")


def what(argument: ArgumentFact) -> str:
    """What an argument may be."""
    words = " or ".join(f"`{word}`" for word in argument["words"])
    parts = [argument["name"]]
    kind = argument["kind"].replace("_", " ")
    if words:
        parts.append(words)
    elif kind != argument["name"]:
        parts.append(kind)
    if argument["role"] is not None and argument["kind"] != "file":
        parts.append(ROLES[argument["role"]])
    return ", ".join(parts)


def told(text: str) -> list[str]:
    """An item of a list."""
    return textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
