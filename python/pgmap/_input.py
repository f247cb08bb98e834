"""What a command reads: files and standard input, both UTF-8 whatever the locale says.

A byte order mark at the beginning is none of the text.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pgmap._cli import UsageError

STDIN = "-"


class Unreadable(UsageError):
    """A file that cannot be read; `reason` says why without its name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"cannot read {name}: {reason}")
        self.reason = reason


def read(name: str) -> str:
    """The text of a file, or of standard input for ``-``."""
    try:
        raw = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(name, "not UTF-8 text") from error
    except OSError as error:
        raise Unreadable(name, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in a name
        raise Unreadable(name, str(error)) from error
