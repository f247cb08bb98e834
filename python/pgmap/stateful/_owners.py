"""Who owns a page of the model, and what that makes of its counts."""

from __future__ import annotations

from collections.abc import Iterator

from pgmap.stateful.things import (
    PIN_BIAS,
    PMD_PAGES,
    Counts,
    File,
    Mapping,
    Pipe,
    Process,
    Ref,
    Worker,
)


class Owners:
    """Files by name and workers by number; every count is a number of owners."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.workers: dict[int, Worker] = {}

    def reachable(self) -> list[File]:
        """Files that have a name or a user."""
        files = {id(f): f for f in self.files.values()}
        for process in self.processes():
            files |= {id(f): f for f in self.used_by(process)}
        files |= {id(ref.file): ref.file for ref in self.refs()}
        return list(files.values())

    def processes(self) -> list[Process]:
        return list({id(w.process): w.process for w in self.workers.values()}.values())

    def mappings(self, file: File) -> Iterator[Mapping]:
        return (m for p in self.processes() for m in p.maps.values() if m.file is file)

    def pipes(self) -> list[Pipe]:
        return list({id(p): p for proc in self.processes() for p in proc.pipes.values()}.values())

    def refs(self) -> Iterator[Ref]:
        """Everything that is not a mapping."""
        for worker in self.workers.values():
            for pin in worker.pins.values():
                yield from pin
        for pipe in self.pipes():
            yield from pipe.buffers

    def refs_on(self, file: File, index: int) -> list[Ref]:
        """References on the folio around a page."""
        first, length = file.folio(index)
        return [
            ref
            for ref in self.refs()
            if ref.file is file and ref.index is not None and first <= ref.index < first + length
        ]

    def in_use(self, file: File) -> bool:
        return any(d.file is file for p in self.processes() for d in p.fds.values()) or any(
            m.pages for m in self.mappings(file)
        )

    def busy(self, file: File) -> int | None:
        """The first page of the file with an owner that is not a mapping."""
        return next((i for i in sorted(file.entries) if self.refs_on(file, i)), None)

    def counts(self, file: File, index: int) -> Counts:
        """What the page of a block must look like."""
        block = file.blocks[index]
        first, length = file.folio(index)
        mapped = {
            i: sum(self.maps_block(m, i - m.offset) for m in self.mappings(file))
            for i in range(first, first + length)
        }
        if first != index:
            return Counts(
                0, mapped[index], None, index - first, None, None, None, False, 0, block.data
            )
        large = length > 1
        pmds = sum(first - m.offset in m.pmds for m in self.mappings(file)) if large else 0
        refs = self.refs_on(file, index)
        weight = PIN_BIAS if not large else 1
        owners = sum(mapped.values()) + pmds
        owners += sum(ref.pages * (weight if ref.pinned else 1) for ref in refs)
        return Counts(
            refcount=owners,
            mapcount=mapped[index],
            order=PMD_PAGES.bit_length() - 1 if large else 0,
            tail_of=None,
            large_mapcount=sum(mapped.values()) + pmds if large else None,
            entire_mapcount=pmds if large else None,
            pincount=sum(ref.pages for ref in refs if ref.pinned) if large else None,
            mapping=file.entries.get(first) in ("page", "pmd"),
            share=0,
            data=block.data,
        )

    @staticmethod
    def maps_block(mapping: Mapping, page: int) -> bool:
        pte = mapping.ptes.get(page)
        return pte is not None and not pte.zero

    def zero_page_refs(self) -> int:
        """Pins of the zero page are not counted."""
        return 1 + sum(ref.index is None and not ref.pinned for ref in self.refs())

    def used_by(self, process: Process) -> list[File]:
        return [d.file for d in process.fds.values()] + [m.file for m in process.maps.values()]
