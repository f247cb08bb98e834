"""Progress on stderr: rewritten in place on a terminal, a line every ten seconds elsewhere.

`update` is cheap and may be called in every slice. `aside` makes room for lines of the result, so
that a live display and stdout on the same terminal do not overwrite each other.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from pgmap._output import Output, Verbosity

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_SECONDS = 10.0
LIVE_SECONDS = 0.2


class Progress(Protocol):
    """Somewhere to show how far a run is. The first line must make sense alone."""

    def update(self, lines: Sequence[str]) -> None:
        """Offer the current state."""

    def status(self, lines: Sequence[str]) -> None:
        """Show the current state now: somebody asked."""

    def aside(self) -> AbstractContextManager[None]:
        """Make room for lines of the result."""


class _Silent:
    def update(self, lines: Sequence[str]) -> None:
        pass

    def status(self, lines: Sequence[str]) -> None:
        print(*lines, sep="\n", file=sys.stderr, flush=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        yield


class _Plain(_Silent):
    def __init__(self) -> None:
        self._due = time.monotonic() + PLAIN_SECONDS

    def update(self, lines: Sequence[str]) -> None:
        if time.monotonic() >= self._due:
            self._due += PLAIN_SECONDS
            print(lines[0], file=sys.stderr, flush=True)


class _Live(_Silent):
    def __init__(self, live: Live) -> None:
        self._live = live
        self._due = 0.0

    def update(self, lines: Sequence[str]) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + LIVE_SECONDS
            from rich.text import Text

            self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
            self._live.refresh()

    def status(self, lines: Sequence[str]) -> None:
        with self.aside():
            super().status(lines)

    @contextmanager
    def aside(self) -> Iterator[None]:
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()


@contextmanager
def showing(choice: str, out: Output) -> Iterator[Progress]:
    """Open the progress display that `choice`, the terminal and the verbosity ask for."""
    if choice == "none" or out.verbosity is Verbosity.QUIET:
        yield _Silent()
        return
    live = _live(out) if choice == "auto" and sys.stderr.isatty() else None
    if live is None:
        yield _Plain()
        return
    with live:
        yield _Live(live)


def _live(out: Output) -> Live | None:
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:  # plain lines do as well
        return None
    console = Console(stderr=True, no_color=True if out.color == "never" else None)
    return Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
