"""``python -m pgmap.bench refcount --memory``: bytes of a page's count and of a pagemap's.

Pages are counted in millions, pagemaps on fingers; so what is nothing for a pagemap may be more
than the memory that a page's count counts. By what the schemes say; that they take as much is
tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pgmap._core_reports import Footprint

#: Machines that are asked about.
CPUS = (2, 64, 512)


def table(footprints: Sequence[Footprint]) -> Iterator[str]:
    """Yield the bytes as a table, group by group."""
    width = max((len(found["scheme"]) for found in footprints), default=0)
    heads = "  ".join(f"{f'{cpus} CPUs':>9}" for cpus in CPUS)
    yield f"{'bytes':{width}}  {'a page':^31}  {'a pagemap':^31}".rstrip()
    yield f"{'':{width}}  {heads}  {heads}"
    for group, members in groupby(footprints, key=lambda found: found["group"]):
        yield f"{group}:"
        for found in members:
            pages = "  ".join(f"{machine['page']:>9,}" for machine in found["machines"])
            pagemaps = "  ".join(f"{machine['pagemap']:>9,}" for machine in found["machines"])
            yield f"{found['scheme']:{width}}  {pages}  {pagemaps}"
    yield ""
    yield "A page is one of a million; a table that there is once is shared out among them."
    yield "Cells of CPUs lie two lines apart."
