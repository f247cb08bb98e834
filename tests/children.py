"""Processes that a test starts: at its end the whole group is gone, whatever happened.

Each child leads a session of its own, so what it starts in turn is found and ended with it, also
when the test fails, is interrupted, or runs out of patience.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

PATIENCE = 300.0
"""Seconds that are never needed; what takes longer hangs."""


_alive: set[int] = set()


@contextmanager
def child(
    command: Sequence[str],
    *,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    encoding: str = "utf-8",
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that is gone, with all it started, when the block is left."""
    process = subprocess.Popen(
        command,
        stdout=stdout,
        stderr=stderr,
        stdin=subprocess.DEVNULL,
        encoding=encoding,
        errors="replace",
        env=env,
        cwd=cwd,
        start_new_session=True,
    )
    _alive.add(process.pid)
    try:
        yield process
    finally:
        end_group(process.pid)
        _alive.discard(process.pid)
        # Nobody has the other ends of the pipes any more.
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()


def run(
    command: Sequence[str],
    *,
    timeout: float = PATIENCE,
    check: bool = False,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    encoding: str = "utf-8",
) -> subprocess.CompletedProcess[str]:
    """Run a process to its end and take what it wrote, as ``subprocess.run`` does."""
    with child(command, env=env, cwd=cwd, encoding=encoding) as process:
        stdout, stderr = process.communicate(timeout=timeout)
        done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done


def interrupted(command: Sequence[str], begun: str) -> tuple[int, str]:
    """Send ^C once the first line of errors says `begun`; how it ended, and its output."""
    with child(command) as process:
        assert process.stderr is not None
        assert begun in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
        return process.returncode, stdout


def end_group(leader: int) -> None:
    """Kill every process of a group that may have ended already."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def end_all() -> None:
    """Kill what other threads have started and still wait for."""
    for leader in list(_alive):
        end_group(leader)
