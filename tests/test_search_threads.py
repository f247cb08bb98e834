"""Searches follow each other in threads that have searched before; a child has its own."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

import children
from pgmap import Exhausted, explore

PROGRAM = "file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 w 0 0\nw1 ftruncate f 0\n"
FORKS = f"""
import os, sys
from pgmap import explore

def searches():
    return [explore({PROGRAM!r}, preemptions=1, strategy="bounds").bounds for _ in range(3)]

before = searches()
child = os.fork()
same = searches() == before
if child == 0:
    os._exit(0 if same else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert same
"""


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_searches_in_a_loop_start_no_thread_each() -> None:
    explore(PROGRAM, preemptions=0)
    before = threads()
    for _ in range(20):
        explore(PROGRAM, preemptions=0)
    assert threads() < before + 20


def test_a_search_says_the_same_whatever_its_thread_did_before() -> None:
    alone = explore(PROGRAM, preemptions=1, strategy="bounds")
    explore("file f 4 huge\nw0 mmap 0 f 0 4 rw shared\nstart\nw0 w 0 0 4\nw1 punch f 0 4\n")
    again = explore(PROGRAM, preemptions=1, strategy="bounds")
    assert isinstance(alone, Exhausted)
    assert again == alone


def test_several_threads_search_at_once() -> None:
    verdicts: list[object] = []
    each = [
        threading.Thread(target=lambda: verdicts.append(explore(PROGRAM, preemptions=1)))
        for _ in range(8)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert len(verdicts) == 8
    assert all(verdict == verdicts[0] for verdict in verdicts)


def test_a_child_of_fork_searches_too() -> None:
    done = children.run([sys.executable, "-c", FORKS])
    assert done.returncode == 0, done.stderr
