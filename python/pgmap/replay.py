"""``python -m pgmap.replay``: a found execution again.

The command is in `pgmap._replay`; this module only lends it its name. Imported, the name is the
function `pgmap.replay`, which an ``import pgmap.replay`` must not hide.
"""

from __future__ import annotations

import sys

import pgmap
from pgmap._replay import main

if __name__ == "__main__":
    sys.exit(main())

sys.modules[__name__] = pgmap.replay  # type: ignore[assignment]
