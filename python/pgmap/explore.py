"""``python -m pgmap.explore``: which interleaving breaks a program, if any does.

The command is in `pgmap._explore`; this module only lends it its name. Imported, the name is the
function `pgmap.explore`, which an ``import pgmap.explore`` must not hide.
"""

from __future__ import annotations

import sys

import pgmap
from pgmap._explore import main

if __name__ == "__main__":
    sys.exit(main())

sys.modules[__name__] = pgmap.explore  # type: ignore[assignment]
