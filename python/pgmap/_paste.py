"""What the failure of a test shows of a verdict: all that is known, and a test to paste."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgmap.verdicts import _Seen


def to_paste(verdict: _Seen) -> str:
    """A verdict with its token, if it has one, and with the test that sees it again."""
    token = getattr(verdict, "token", None)
    told = [str(verdict), *([] if token is None else [f"token: {token}"])]
    return "\n\n".join([*told, "as a test:", regression_test(verdict)])


def regression_test(verdict: _Seen) -> str:
    """A test that fails as long as this does not hold, on a machine just large enough."""
    given = [f"era={json.dumps(verdict.era)}"]
    if verdict.rules:
        given.append(f"rules={json.dumps(dict(rule.split('=', 1) for rule in verdict.rules))}")
    if verdict.memory != "sc":
        given.append(f"memory={json.dumps(verdict.memory)}")
    if verdict.tlb != "on-access":
        given.append("speculative_tlb=True")
    program = textwrap.indent(verdict.program.strip(), "    ")
    return (
        "import pgmap\n\n\n"
        "def test_it_holds() -> None:\n"
        f'    program = """\n{program}\n    """\n'
        f"    pgmap.explore(program, {', '.join(given)}).assert_holds()\n"
    )
