"""``python -m pgmap.races``."""

import sys

from pgmap.races import main

if __name__ == "__main__":
    sys.exit(main())
