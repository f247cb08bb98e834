"""A race laboratory for the lifetime of Linux ZONE_DEVICE pages.

`World` is a live emulated machine, `Program` a list of steps for one. What they answer are the
frozen values of `pgmap.results`, what they raise the exceptions of `pgmap.errors`. The commands are
modules: ``python -m pgmap`` lists them.
"""

from pgmap import errors, results
from pgmap._core import Program, World, build_info, version
from pgmap.errors import PgmapError
from pgmap.results import (
    Extent,
    Holder,
    Outcome,
    PageState,
    Pinned,
    Step,
    Violation,
    Waiter,
)

__version__ = version()

__all__ = [
    "Extent",
    "Holder",
    "Outcome",
    "PageState",
    "PgmapError",
    "Pinned",
    "Program",
    "Step",
    "Violation",
    "Waiter",
    "World",
    "__version__",
    "build_info",
    "errors",
    "results",
]
