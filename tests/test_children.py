"""What a test starts is gone when the test is over, with all that it started itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import children

# Says who it is, and who it started; neither ends by itself, nor when it is asked to.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
grandchild = os.fork()
if grandchild != 0:
    print(os.getpid(), grandchild, flush=True)
while True:
    time.sleep(3600)
"""


def family(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(pid) for pid in process.stdout.readline().split()]


def gone(pid: int) -> bool:
    """Whether a process has ended; init may not have taken note of it yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def wait_until_gone(pids: list[int]) -> None:
    """A killed process ends in its own time; the test's patience is that of the test run."""
    while not all(gone(pid) for pid in pids):
        os.sched_yield()


@pytest.mark.parametrize("error", [AssertionError, KeyboardInterrupt, subprocess.TimeoutExpired])
def test_a_test_that_fails_leaves_no_process_behind(error: type[BaseException]) -> None:
    raised = error("true", 1) if error is subprocess.TimeoutExpired else error()
    started: list[int] = []

    def failing() -> None:
        with children.child([sys.executable, "-c", FAMILY]) as process:
            started.extend(family(process))
            assert not any(gone(pid) for pid in started)
            raise raised

    with pytest.raises(error):
        failing()
    assert len(started) == 2
    wait_until_gone(started)


def test_a_process_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = f"import sys; sys.stdout = open({str(said)!r}, 'w')\n{FAMILY}"
    started: list[int] = []
    patience = 0.25
    while len(started) < 2:  # until there was time for it to start
        with pytest.raises(subprocess.TimeoutExpired):
            children.run([sys.executable, "-c", script], timeout=patience)
        started = [int(pid) for pid in said.read_text().split()] if said.exists() else []
        patience *= 2
    wait_until_gone(started)


def test_what_a_process_leaves_running_when_it_ends_is_ended() -> None:
    leaving = FAMILY.replace("flush=True)", "flush=True); os._exit(0)")
    with children.child([sys.executable, "-c", leaving]) as process:
        started = family(process)
        assert process.wait(60) == 0
        assert not gone(started[1])
    wait_until_gone(started)


def test_what_other_threads_wait_for_can_be_ended() -> None:
    ends: list[int] = []

    def wait(process: subprocess.Popen[str]) -> None:
        ends.append(process.wait())

    with children.child([sys.executable, "-c", FAMILY]) as process:
        started = family(process)
        waiting = threading.Thread(target=wait, args=(process,))
        waiting.start()
        children.end_all()
        waiting.join()
        assert ends == [-signal.SIGKILL]
        wait_until_gone(started)


def test_a_run_gives_what_was_written_and_how_it_ended() -> None:
    said = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = children.run([sys.executable, "-c", said])
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    with pytest.raises(subprocess.CalledProcessError):
        children.run([sys.executable, "-c", said], check=True)
    killed = children.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert killed.returncode == -signal.SIGKILL


def test_processes_of_tests_are_started_in_one_place() -> None:
    here = Path(__file__).parent
    starts = re.compile(
        r"subprocess\.(Popen|run|call|check_\w+|getoutput)\(|os\.(system|popen|spawn\w*)\("
    )
    for path in sorted(here.rglob("*.py")):
        if path.name not in {"children.py", Path(__file__).name}:
            assert not starts.search(path.read_text()), f"{path.name}: use `children`"
