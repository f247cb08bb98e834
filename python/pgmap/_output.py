"""Where words go: results to stdout, progress and diagnostics to stderr, one JSON object aside.

With ``--json -`` stdout belongs to the JSON object alone and everything for people moves to stderr.
A reader that goes away (``| head``) silences its stream but does not change the verdict: the exit
code is still the run's own. A character that a stream cannot show is shown as its escape.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum
from typing import Any, TextIO

from pgmap._here import here


class Verbosity(IntEnum):
    """How much is said to people."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class Ink(Enum):
    """The few colours, each with one meaning."""

    BAD = "31;1"
    GOOD = "32"
    WARN = "33"
    DIM = "2"


def json_target(argv: Sequence[str]) -> str | None:
    """Where JSON shall go, read before parsing so that usage errors can be JSON too."""
    target: str | None = None
    words = iter(argv)
    for word in words:
        if word == "--":
            break
        if word == "--json":
            target = next(words, None)
        elif word.startswith("--json="):
            target = word.removeprefix("--json=")
    return target


def wants_color(choice: str, stream: TextIO) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Output:
    """The streams of one command."""

    def __init__(self, json_to: str | None) -> None:
        self.json_to = json_to
        self.verbosity = Verbosity.NORMAL
        self.color = "auto"
        # Goes into the JSON object however the command ends, errors included.
        self.facts: dict[str, Any] = {}
        self._json_file: TextIO | None = None

    @property
    def text(self) -> TextIO:
        return sys.stderr if self.json_to == "-" else sys.stdout

    def open_json(self) -> None:
        """Open the JSON file now, so that a bad path fails before the work and not after it."""
        if self.json_to not in (None, "-") and self._json_file is None:
            self._json_file = open(str(self.json_to), "w", encoding="utf-8")  # noqa: SIM115

    def result(self, line: str = "") -> None:
        """A line of the result; shown however quiet."""
        _write(self.text, here(line) + "\n")

    def verbatim(self, line: str) -> None:
        """A line of a text that goes elsewhere: commands in it stay as they are written."""
        _write(self.text, line + "\n")

    def detail(self, line: str = "", level: Verbosity = Verbosity.NORMAL) -> None:
        """A line of the result that ``-q`` drops."""
        if self.verbosity >= level:
            self.result(line)

    def note(self, line: str) -> None:
        """A diagnostic."""
        _write(sys.stderr, here(line) + "\n")

    def paint(self, words: str, ink: Ink) -> str:
        if not wants_color(self.color, self.text):
            return words
        return f"\x1b[{ink.value}m{words}\x1b[0m"

    def keep(self) -> None:
        """Write the facts so far into the JSON file, for as long as there is nothing better."""
        if self._json_file is not None and self._json_file.seekable():
            self._rewrite(self.facts)

    def leave(self) -> None:
        """Leave the facts so far where the JSON object would have been: there will be none."""
        if self.json_to == "-":
            _write(sys.stdout, _object(self.facts))

    def _rewrite(self, envelope: Mapping[str, Any]) -> None:
        self.open_json()
        assert self._json_file is not None
        if self._json_file.seekable():
            self._json_file.seek(0)
            self._json_file.truncate()
        self._json_file.write(_object(envelope))
        self._json_file.flush()

    def emit(self, envelope: Mapping[str, Any]) -> None:
        """Write the command's one JSON object to wherever it was asked for."""
        if self.json_to is None:
            return
        if self.json_to == "-":
            _write(sys.stdout, _object(envelope))
            return
        self._rewrite(envelope)
        assert self._json_file is not None
        self._json_file.close()
        self._json_file = None


def _object(envelope: Mapping[str, Any]) -> str:
    return json.dumps(envelope, indent=2, allow_nan=False, default=str) + "\n"


def showable(words: str, stream: TextIO) -> str:
    """`words` as far as the stream's encoding has them, and escapes for the rest."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return words.encode(encoding, "backslashreplace").decode(encoding)


def _write(stream: TextIO | None, words: str) -> None:
    if stream is None:  # closed before Python started
        return
    try:
        stream.write(showable(words, stream))
        stream.flush()
    except BrokenPipeError:
        # Nobody reads any more. Point the descriptor elsewhere so that neither later lines nor the
        # interpreter's own flush at exit complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
