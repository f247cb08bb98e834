"""Stress runs that starve: `python -m pgmap.stress` beside busy loops, at the lowest priority.

What stress says must not depend on when its threads get to run. Sound rules stay clean; a wrong
rule about waiting is found by a report that names the right wait.

    python tests/thorough/loaded_stress.py                        # 20 clean runs of --for 60s
    python tests/thorough/loaded_stress.py --runs 2 --wait 'for DAX entry' -- \
        --break entry-wait-key=unrounded --ops 3000000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

NICEST = 19


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
    command = [sys.executable, "-m", "pgmap.stress", "--json", "-", "--progress", "none"]
    done = subprocess.run(
        [*command, "--no-explain", *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.nice(NICEST),
    )
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
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
    began = time.monotonic()
    good = 0
    try:
        with ThreadPoolExecutor(args.together) as pool:
            for ran in pool.map(stress, [arguments] * args.runs):
                good += ran.is_as_wanted(args.wait)
                print(f"exit {ran.code}  {ran.ops:>9,} ops  {ran.told}", flush=True)
    finally:
        for loop in busy:
            loop.kill()
            loop.wait()
    wanted = "clean" if args.wait is None else f'found with "{args.wait}"'
    took, load = time.monotonic() - began, os.getloadavg()[0]
    print(f"{good} of {args.runs} {wanted}, {took:.0f} s, load {load:.0f}")
    return 0 if good == args.runs else 1


if __name__ == "__main__":
    sys.exit(main())
