"""Stress runs that starve: `python -m pgmap.stress` beside busy loops, at the lowest priority.

What stress says must not depend on when its threads get to run. Sound rules stay clean; a wrong
rule about waiting is found by a report that names the right wait.

    export PYTHONPATH=tests
    python -m thorough.loaded_stress                        # 20 clean runs of --for 60s
    python -m thorough.loaded_stress --runs 2 --wait 'for DAX entry' -- \
        --break entry-wait-key=unrounded --ops 3000000
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import children

HOURS = 12 * 3600.0
"""Patience with one run: a starved one takes long, and what is too long is for who started it."""


@dataclass(frozen=True)
class Ran:
    """One run: how it ended, what it did."""

    code: int
    ops: int
    told: str

    def is_as_wanted(self, wait: str | None) -> bool:
        """Clean, or a proven hang that names the wait."""
        if wait is None:
            return self.code == 0
        return self.code == 4 and wait in self.told


def stress(arguments: list[str]) -> Ran:
    """Run once."""
    command = ["nice", "-n", "19", sys.executable, "-m", "pgmap.stress", "--json", "-"]
    done = children.run([*command, "--progress", "none", "--no-explain", *arguments], timeout=HOURS)
    if not done.stdout:
        return Ran(done.returncode, 0, done.stderr.strip())
    report = json.loads(done.stdout)
    hang = report["hang"] or {"kind": "", "sleeper": "", "waiters": []}
    told = [hang["kind"], *(w for w in hang["waiters"] if w.startswith(str(hang["sleeper"])))]
    told += [str(report["no_verdict"] or ""), *(v["title"] for v in report["violations"])]
    return Ran(done.returncode, report["ops"], "; ".join(filter(None, told)))


def main() -> int:
    """Start the busy loops, run, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--together", type=int, default=4, help="runs at a time")
    parser.add_argument("--busy", type=int, default=8, help="busy loops")
    parser.add_argument("--wait", help="what the hang that is to be found waits for")
    parser.add_argument("arguments", nargs="*", help="of stress; default --for 60s")
    args = parser.parse_args()
    arguments = args.arguments or ["--for", "60s"]
    # Ended like by Ctrl-C, it takes along what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    good = 0
    with ExitStack() as loops, ThreadPoolExecutor(args.together) as pool:
        for _ in range(args.busy):
            loops.enter_context(children.child([sys.executable, "-c", "while True: pass"]))
        try:
            for ran in pool.map(stress, [arguments] * args.runs):
                good += ran.is_as_wanted(args.wait)
                print(f"exit {ran.code}  {ran.ops:>9,} ops  {ran.told}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise
    wanted = "clean" if args.wait is None else f'found with "{args.wait}"'
    took, load = time.monotonic() - began, os.getloadavg()[0]
    print(f"{good} of {args.runs} {wanted}, {took:.0f} s, load {load:.0f}")
    return 0 if good == args.runs else 1


if __name__ == "__main__":
    sys.exit(main())
