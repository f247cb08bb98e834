"""The verdicts of docs/threads.md, searched: what was said on the lists, and what comes of it.

Each claim of the page is a heading, a program and a table: under which rules the program is
searched, to two preemptions, what that comes to, and the token of what failed. The page's prose is
written by hand, the two last columns by this:

    python tests/threads.py            # search, and compare
    python tests/threads.py --write    # search, and keep
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgmap import _core
from pgmap._options import ExploreOptions

PAGE = Path(__file__).resolve().parent.parent / "docs" / "threads.md"
HEAD = "| rules | comes to | token |"
ROW = re.compile(r"^\| `(?P<rules>[^`]+)` \| (?P<ends>[^|]*) \|(?: `(?P<token>[^`]*)`)?[^|]*\|$")
PREEMPTIONS = 2
ERAS = [era["name"] for era in _core.facts()["eras"] if era["sound"] != era["name"]]
"""Those as shipped or proposed, without their sound twins."""
UPDATE = "python tests/threads.py --write"


@dataclass(frozen=True)
class Verdict:
    """A row: an era, its rules changed or not, and what a program comes to under them."""

    line: int
    claim: str
    program: str
    rules: str
    ends: str
    token: str | None

    def searched(self) -> Verdict:
        """The same as it is now."""
        era, *breaks = self.rules.split()
        asked = ExploreOptions(
            era=era,
            rules=dict(it.split("=", 1) for it in breaks),
            preemptions=PREEMPTIONS,
            strategy="bounds",
            known=True,
            shrink=False,
        )
        run = _core.explore_start(asked.config(program=self.program))
        report: Any = run.finish()
        found = report["found"]
        if found is None:
            ends = "holds" if report["verdict"] == "exhausted" else report["verdict"]
            return Verdict(self.line, self.claim, self.program, self.rules, ends, None)
        ends = f"{found['finding']['invariant']}/{found['preemptions']}"
        return Verdict(self.line, self.claim, self.program, self.rules, ends, found["token"])

    def text(self) -> str:
        """The line of the page."""
        token = f"`{self.token}`" if self.token else "-"
        return f"| `{self.rules}` | {self.ends} | {token} |"


def verdicts(page: str) -> Iterator[Verdict]:
    """Every row of every claim."""
    claim, program, inside = "", "", False
    for number, line in enumerate(page.splitlines()):
        if line.startswith("### "):
            claim, program = line.removeprefix("### "), ""
        elif line == "```text":
            program, inside = "", True
        elif line == "```":
            inside = False
        elif inside:
            program += f"{line}\n"
        elif (row := ROW.match(line)) is not None:
            yield Verdict(number, claim, program, row["rules"], row["ends"], row["token"])


def main(words: list[str]) -> int:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    stale = 0
    for kept in list(verdicts("\n".join(lines))):
        now = kept.searched()
        if now.text() != lines[kept.line]:
            stale += 1
            print(f"{kept.claim}: {kept.rules}: {kept.ends} -> {now.ends}")
            lines[kept.line] = now.text()
    if words == ["--write"]:
        PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif stale:
        print(f"{stale} rows are not as they were: {UPDATE}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
