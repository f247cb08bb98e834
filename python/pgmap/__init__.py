"""A race laboratory for the lifetime of Linux ZONE_DEVICE pages.

`World` is a live emulated machine, `Pagemap` and `Folio` memory plugged into one, `Program` a list
of steps for one; `explore` searches the interleavings of a program and `replay` runs one again.
What they answer are the frozen values of `pgmap.results` and `pgmap.verdicts`, what they raise the
exceptions of `pgmap.errors`. The commands are modules: ``python -m pgmap`` lists them.
"""

from pgmap import build, driver, errors, results, verdicts
from pgmap._core import Folio, Pagemap, Program, World, build_info, version
from pgmap._expected import race
from pgmap._outcomes import Outcomes, outcomes
from pgmap._search import explore, replay
from pgmap.driver import Driver
from pgmap.errors import PgmapError
from pgmap.refs import PercpuRef
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
from pgmap.verdicts import (
    Exhausted,
    Found,
    Inconclusive,
    NotFound,
    Replay,
    StepOutcome,
    Unseen,
    Verdict,
)

__version__ = version()

__all__ = [
    "Driver",
    "Exhausted",
    "Extent",
    "Folio",
    "Found",
    "Holder",
    "Inconclusive",
    "NotFound",
    "Outcome",
    "Outcomes",
    "PageState",
    "Pagemap",
    "PercpuRef",
    "PgmapError",
    "Pinned",
    "Program",
    "Replay",
    "Step",
    "StepOutcome",
    "Unseen",
    "Verdict",
    "Violation",
    "Waiter",
    "World",
    "__version__",
    "build",
    "build_info",
    "driver",
    "errors",
    "explore",
    "outcomes",
    "race",
    "replay",
    "results",
    "verdicts",
]
