"""A race laboratory for the lifetime of Linux ZONE_DEVICE pages.

The commands are modules: ``python -m pgmap`` lists them. This package itself offers the
exceptions that everything raises (`pgmap.errors`) and says what was built.
"""

from pgmap import errors
from pgmap._core import build_info, version
from pgmap.errors import PgmapError

__version__ = version()

__all__ = ["PgmapError", "__version__", "build_info", "errors"]
