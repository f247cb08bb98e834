"""Pages that are made from the core are what the core says today. If one is not: make docs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgmap import Program, World
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap._language import LINES, page
from pgmap.errors import ProgramError
from ran import Runner

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_the_language_is_current(run: Runner) -> None:
    ran = run(Explore(), "--language", core=core())
    assert ran.exit is Exit.OK
    assert ran.stdout == (DOCS / "language.md").read_text(encoding="utf-8"), "make docs"


def test_every_word_and_every_argument_is_on_the_page() -> None:
    facts = core().facts()
    told = "\n".join(page(facts))
    for operation in facts["operations"]:
        for word in operation["words"]:
            who = "wN " if operation["by"] == "worker" else ""
            assert f"`{who}{word} {operation['usage']}".rstrip() in told
        assert all(f"`{arg['usage']}`: {arg['name']}" in told for arg in operation["arguments"][1:])
        assert set(operation["errnos"]) <= {errno["name"] for errno in facts["errnos"]}
    kinds = {kind["name"] for kind in facts["kinds"]}
    assert kinds == {arg["kind"] for it in facts["operations"] for arg in it["arguments"]}


def test_the_sample_on_the_page_is_a_program() -> None:
    [sample] = re.findall(r"(?:^    .*\n)+", LINES, re.MULTILINE)
    program = Program.parse(sample)
    assert (len(program.files), len(program.steps), program.workers) == (1, 8, (0, 1))


WITHOUT_A_METHOD = {
    "baseline": "a recorder's: nothing happens",
    "retrack": "a recorder's: nothing happens",
    "start": "a program's: a world has no set-up",
    "wait": "a program's: who waits for a thread joins it",
    "end": "a world ends by `close`, and whoever leaves first says `exit`",
    "sleep": "`complete_io` and `tick`, which are not the same",
    "mount": "a world is mounted, and after `umount` another one is made",
}
MORE_THAN_THE_OPERATION = {
    "nop": "takes no worker: what any call costs",
    "close": "ends the world, too",
    "pread": "returns the words",
    "pwrite": "writes a word of the caller's",
}


def test_every_operation_is_a_method_of_a_world_or_there_is_a_reason() -> None:
    told = {name: inspect.getdoc(method) or "" for name, method in inspect.getmembers(World)}
    missing = {
        operation["words"][0]
        for operation in core().facts()["operations"]
        if not any(doc.startswith(operation["sentence"]) for doc in told.values())
    }
    assert missing == {*WITHOUT_A_METHOD, *MORE_THAN_THE_OPERATION}
    assert set(told) >= set(MORE_THAN_THE_OPERATION)


def test_help_says_what_a_call_does_returns_and_ends_in() -> None:
    assert inspect.getdoc(World.vmsplice) == (
        "Puts references on pages into a pipe, one page to a buffer.\n\n"
        "Arguments:\n"
        "    worker: number of the worker who calls, 0 to 63\n"
        "    pipe: number of a pipe of the worker's process\n"
        "    map: number of a mapping of the worker's process\n"
        "    page: page, from the start of the mapping, file or device; 0 is the first\n"
        "    pages: how many pages, 1 at least\n\n"
        "Returns how many bytes were moved, 4096 to a page.\n\n"
        "Errors: EBADF, EAGAIN, ENOMEM, EFAULT."
    )
    assert (inspect.getdoc(World.touch) or "").endswith("Errors: ENOMEM, EINVAL, SIGBUS, SIGSEGV.")


def test_the_language_is_data_too(run: Runner) -> None:
    told = run(Explore(), "--language", "--json", "-", core=core()).json
    assert (told["ok"], told["command"]) == (True, "explore")
    rows = {row["words"][0]: row for row in told["language"]["operations"]}
    pin = {arg["name"]: arg for arg in rows["pin"]["arguments"]}
    assert (pin["map"]["kind"], pin["map"]["role"], pin["map"]["bounds"]) == (
        "mapping",
        "uses",
        [0, 63],
    )
    assert pin["access"]["words"] == ["r", "w"]
    assert (pin["pages"]["optional"], pin["page"]["optional"]) == (True, False)
    assert rows["pin"]["returns"] == "pinned"
    assert rows["r"]["words"] == ["r", "w"]


@pytest.mark.parametrize("other", ["program.txt", "--hunt=all"])
def test_the_language_is_not_explored(run: Runner, other: str) -> None:
    ran = run(Explore(), "--language", other, core=core())
    assert ran.exit is Exit.USAGE
    assert "leave out the program and --hunt" in ran.stderr


# --- programs drawn from the table ----------------------------------------------------------------

ROWS = core().facts()["operations"]
WORDS = {
    "name": ["f", "g"],
    "file": ["f", "0"],
    "openable": ["f", "/dev/nullb0"],
    "mount_point": ["/mnt"],
    "driver": ["d"],
}


@st.composite
def steps(draw: st.DrawFn) -> str:
    """A step as the table describes it, by a worker or the environment."""
    row = draw(st.sampled_from(ROWS))
    words = [draw(st.sampled_from(row["words"]))]
    if row["by"] == "worker":
        words.insert(0, draw(st.sampled_from(["w0", "w1"])))
    for arg in row["arguments"]:
        if arg["optional"] and draw(st.booleans()):
            break
        if arg["kind"] == "part":
            words.append(f"{draw(st.integers(0, 9))} {draw(st.integers(1, 9))}")
        elif arg["kind"] in WORDS:
            words.append(draw(st.sampled_from(WORDS[arg["kind"]])))
        elif arg["words"]:
            # A keyword stands for all that does not go without saying.
            spelt = [word for word in arg["words"] if word in arg["usage"] or not arg["optional"]]
            words += [] if arg["kind"] == "spoken" else [draw(st.sampled_from(spelt))]
        else:
            assert arg["bounds"] is not None, arg
            low, high = arg["bounds"]
            words.append(str(draw(st.integers(low, min(high, low + 3)))))
    return " ".join(words)


BEFORE = """\
file f 4
file g 4
driver d 2 alloc pop page_free push
w0 open 0 f rw
w0 mmap 0 f 0 4 rw shared
"""
NOTHING = re.compile(
    r" has no |holds no|has made|already|not running|slow block device|done nothing|mounted"
)


@given(steps())
@settings(max_examples=500, deadline=None, derandomize=True)
def test_a_step_drawn_from_the_table_is_read_or_refers_to_nothing(step: str) -> None:
    try:
        program = Program.parse(f"{BEFORE}{step}\n")
    except ProgramError as error:
        refused = str(error)
    else:
        refused = ""
        assert str(Program.parse(str(program))) == str(program)
    assert not refused or NOTHING.search(refused), refused
