"""What can be asked of ``python -m pgmap.bench``, and what not together."""

from __future__ import annotations

import argparse

from pgmap import _cli
from pgmap._args import count, duration
from pgmap._plotted import check_path

DEFAULT_SECONDS = 20.0
CORE, REFCOUNT, PGMAP, ALLOC, FOLIO_TRY_GET = SUITES = (
    "core",
    "refcount",
    "pgmap",
    "alloc",
    "folio-try-get",
)
MOST_KILLS = 10_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a benchmark."""
    parser.add_argument("suite", nargs="?", choices=SUITES, default="core")
    parser.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        default=DEFAULT_SECONDS,
        metavar="TIME",
        help="for all rows together (default 20s)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only rows with NAME in their name; may be repeated",
    )
    parser.add_argument(
        "--raw", action="store_true", help="with --json: every round's two figures as well"
    )
    parser.add_argument(
        "--count",
        action="store_true",
        help="refcount: count locked instructions and hand-offs of lines instead of measuring",
    )
    parser.add_argument(
        "--kill",
        type=count(1, MOST_KILLS),
        metavar="N",
        help="refcount: time N kills of each scheme, quiet and busy, instead of measuring",
    )
    parser.add_argument(
        "--memory",
        action="store_true",
        help="refcount: bytes of a page's and a pagemap's count instead of measuring",
    )
    parser.add_argument(
        "--workload",
        action="store_true",
        help="refcount: other loads than pairs on one object; choose with --only",
    )
    parser.add_argument(
        "--compare", metavar="OLD.json", help="beside a run kept with --json: what changed"
    )
    parser.add_argument(
        "--fail-below",
        type=float,
        metavar="SPEED",
        help="with --compare: exit 1 if a row is surely slower than SPEED times what it was",
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="a picture of the ratios, .svg or .png (extra: plot)"
    )
    parser.add_argument("--out", metavar="DIR", help="keep report.json and results.jsonl there")


def check_options(args: argparse.Namespace) -> None:
    """Refuse what cannot be asked together, before anything is measured."""
    asked = {
        "count": args.count,
        "kill": args.kill is not None,
        "memory": args.memory,
        "workload": args.workload,
    }
    options = [f"--{option}" for option, given in asked.items() if given]
    if options and args.suite != REFCOUNT:
        raise _cli.UsageError(f"{options[0]} is about {REFCOUNT}, not {args.suite}")
    if len(options) > 1:
        raise _cli.UsageError(f"{' and '.join(options)}: one at a time")
    if args.fail_below is not None and args.compare is None:
        raise _cli.UsageError("--fail-below needs --compare")
    if args.plot is not None:
        check_path(args.plot)
