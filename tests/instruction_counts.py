"""Instructions of the hottest native operations, counted by valgrind.

A time says little on a shared machine; a count of executed instructions is exact. Each operation
is run so many times, twice as many and three times as many (`rust/native/examples/counted.rs`, the
release build): the differences are free of start-up and set-up, and must be equal. The counts are
committed and depend on the compiler, so they are kept with its version and hold for no other.

    python tests/instruction_counts.py            # count, and compare
    python tests/instruction_counts.py --write    # count, and keep
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import children

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "benches" / "instructions.json"
PAIR = "get+put, "
#: Reference-count schemes, and one locked addition each way that is written without the trait.
SCHEMES = (
    "plain",
    "atomic add",
    "cas unless zero",
    "cas, guess 1",
    "frozen bit, look first",
    "frozen bit",
    "refcount_t",
    "rcuref",
    "lockref",
    "snzi",
    "striped counter",
    "percpu, closed cells",
    "percpu, grace period",
    "percpu, one writer",
    "paygo-like",
    "biased",
    "refcache-like",
    "epoch pin",
    "hazard pointer",
    "std Arc",
    "atomic add by hand",
)
OPERATIONS = (
    *("try_get", "put", "put, sound idle rule", "gup_fast+unpin"),
    *(PAIR + scheme for scheme in SCHEMES),
)
TIMES = 1000
UPDATE = "python tests/instruction_counts.py --write"
BUILD_LIMIT = 3600.0

Counts = dict[str, int]
Counter = Callable[[str, int], int]


class Unsteady(Exception):
    """An operation that does not cost the same every time has no count."""


def missing() -> str | None:
    """What keeps this machine from counting."""
    if not (ROOT / "rust" / "native" / "examples" / "counted.rs").is_file():
        return "not run from a checkout"
    for tool, package in (("cargo", "Rust"), ("rustc", "Rust"), ("valgrind", "valgrind")):
        if shutil.which(tool) is None:
            return f"{tool} not found: install {package} to count instructions"
    return None


def compiler() -> str:
    """The compiler and what it compiles for: `rustc 1.95.0 (...), x86_64-unknown-linux-gnu`."""
    words = _run(["rustc", "--verbose", "--version"])
    host = re.search(r"^host: (.+)$", words, re.MULTILINE)
    return f"{words.splitlines()[0]}, {host[1] if host else 'unknown'}"


def other_compiler(committed: str, here: str) -> str | None:
    """Why committed counts say nothing here."""
    if committed == here:
        return None
    return f"counts were committed for {committed}; here is {here}. To move them: {UPDATE}"


def build() -> Path:
    """The release build of the program that runs operations; flags of the environment left out."""
    command = "cargo build --release --locked -p pgmap-native --example counted"
    messages = _run([*command.split(), "--message-format=json"])
    for line in messages.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "counted":
            return Path(message["executable"])
    raise RuntimeError("cargo built no program")


def valgrind(program: Path) -> Counter:
    """Counts what a whole run of the program executes."""

    def count(operation: str, times: int) -> int:
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        done = children.run([*tool, str(program), operation, str(times)])
        collected = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or collected is None:
            raise RuntimeError(f"{operation}: exit code {done.returncode}\n{done.stderr}")
        return int(collected[1])

    return count


def measure(count: Counter) -> Counts:
    """Instructions of one operation each, with the loop around it."""
    counts = {}
    for operation in OPERATIONS:
        once, twice, thrice = (count(operation, TIMES * by) for by in (1, 2, 3))
        more, again = twice - once, thrice - twice
        if more != again or more % TIMES != 0 or more <= 0:
            raise Unsteady(f"{operation}: {more} more instructions for {TIMES} times, then {again}")
        counts[operation] = more // TIMES
    return counts


def differences(committed: Counts, here: Counts) -> list[str]:
    """What is no longer as committed, a sentence each."""
    told = []
    for operation in sorted({*committed, *here}):
        was, now = committed.get(operation), here.get(operation)
        if was != now:
            told.append(f"{operation}: {now} instructions, committed are {was}")
    return told


def verdict(committed: Counts, here: Counts) -> str:
    """Nothing, or what changed and what to do about it."""
    changed = differences(committed, here)
    if changed:
        changed.append(f"If that is meant: {UPDATE}, and commit {COMMITTED.relative_to(ROOT)}")
    return "\n".join(changed)


def committed() -> tuple[str, Counts]:
    """The compiler, and the counts of its build."""
    kept = json.loads(COMMITTED.read_text())
    return kept["compiler"], kept["instructions"]


def _run(command: list[str]) -> str:
    odd = re.compile(r"RUSTFLAGS$|^CARGO_PROFILE_|^CARGO_INCREMENTAL$")
    environment = {name: value for name, value in os.environ.items() if not odd.search(name)}
    done = children.run(command, cwd=ROOT, env=environment, timeout=BUILD_LIMIT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def main(arguments: list[str]) -> int:
    """Count; then keep or compare."""
    reason = missing()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 2
    here, counts = compiler(), measure(valgrind(build()))
    if arguments == ["--write"]:
        kept = {"compiler": here, "instructions": counts}
        COMMITTED.write_text(json.dumps(kept, indent=2) + "\n")
        print(json.dumps(kept, indent=2))
        return 0
    for_compiler, before = committed()
    told = other_compiler(for_compiler, here) or verdict(before, counts)
    print(told or "as committed")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
