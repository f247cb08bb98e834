"""Processes and files of the model: who leaves, and what takes blocks away."""

from __future__ import annotations

from pgmap.stateful._owners import Owners
from pgmap.stateful.things import (
    FILE_PAGES_MAX,
    Block,
    Descriptor,
    File,
    Mapping,
    Process,
    Refused,
    Sleeping,
    Worker,
)


class Files(Owners):
    """System calls on processes and files."""

    # processes

    def nop(self, worker: int) -> int:
        self.running(worker)
        return 0

    def spawn(self, worker: int) -> int:
        if worker in self.workers:
            raise Refused("EEXIST")
        self.workers[worker] = Worker(Process())
        return 0

    def clone(self, worker: int, child: int) -> None:
        if child in self.workers:
            raise Refused("EEXIST")
        self.workers[child] = Worker(self.running(worker).process)

    def fork(self, worker: int, child: int) -> int:
        if child in self.workers:
            raise Refused("EEXIST")
        parent = self.running(worker).process
        maps = {number: m.copy() for number, m in parent.maps.items()}
        self.workers[child] = Worker(Process(dict(parent.fds), maps, dict(parent.pipes)))
        return 0

    def exit(self, worker: int) -> Sleeping:
        gone = self.running(worker)
        files = {id(f): f for f in self.used_by(gone.process)}.values()
        del self.workers[worker]
        for file in files:
            yield from self.put(file)
        return 0

    def kill(self, worker: int) -> Sleeping:
        """SIGKILL gives everything back as an exit does."""
        return self.exit(worker)

    def running(self, worker: int) -> Worker:
        if worker not in self.workers:
            raise Refused("ESRCH")
        return self.workers[worker]

    # files

    def create(self, name: str, pages: int, state: str) -> None:
        if name in self.files:
            raise Refused("EEXIST")
        file = File(pages)
        if state != "sparse":
            file.blocks = {i: Block(written=state == "written") for i in range(pages)}
        self.files[name] = file

    def named(self, name: str) -> File:
        if name not in self.files:
            raise Refused("ENOENT")
        return self.files[name]

    def open(self, worker: int, fd: int, name: str, mode: str) -> Sleeping:
        process = self.running(worker).process
        file = self.named(name)
        old = process.fds.get(fd)
        process.fds[fd] = Descriptor(file, mode == "rw")
        if old is not None:
            yield from self.put(old.file)
        return 0

    def close(self, worker: int, fd: int) -> Sleeping:
        process = self.running(worker).process
        if fd not in process.fds:
            raise Refused("EBADF")
        yield from self.put(process.fds.pop(fd).file)
        return 0

    def unlink(self, worker: int, name: str) -> Sleeping:
        self.running(worker)
        file = self.named(name)
        del self.files[name]
        file.has_name = False
        yield from self.put(file)
        return 0

    def put(self, file: File) -> Sleeping:
        """A name or a user went. The last of both takes the file along, once every page is idle."""
        if not file.has_name and not self.in_use(file):
            yield from self.break_layout(file)
            file.blocks.clear()
        return 0

    def umount(self, worker: int, path: str | None) -> Sleeping:
        """Every file is put away, and its name and blocks stay."""
        self.running(worker)
        if any(self.in_use(file) for file in self.reachable()):
            raise Refused("EBUSY")
        for file in self.files.values():
            yield from self.break_layout(file)
        return 0

    def mount(self, worker: int, path: str | None) -> int:
        return self.nop(worker)

    def target(self, worker: int, file: int | str) -> Descriptor:
        process = self.running(worker).process
        if isinstance(file, str):
            return Descriptor(self.named(file), writable=True)
        if file not in process.fds:
            raise Refused("EBADF")
        return process.fds[file]

    def to_change(self, worker: int, file: int | str, errno: str) -> File:
        """A file whose blocks change; not through a descriptor that may only read."""
        descriptor = self.target(worker, file)
        if not descriptor.writable:
            raise Refused(errno)
        return descriptor.file

    def pread(self, worker: int, file: int | str, page: int, pages: int) -> int:
        return len(self.contents(worker, file, page, pages)) * 4096

    def contents(self, worker: int, file: int | str, page: int, pages: int) -> tuple[int, ...]:
        """What a read of a file returns."""
        inode = self.target(worker, file).file
        return tuple(self.read(inode, i) for i in range(page, min(page + pages, inode.size)))

    def read(self, file: File, index: int) -> int:
        block = file.blocks.get(index)
        return block.data if block is not None and block.written else 0

    def pwrite(self, worker: int, file: int | str, page: int, pages: int) -> int:
        """Writes its number into each page."""
        descriptor = self.target(worker, file)
        if not descriptor.writable:
            raise Refused("EBADF")
        inode = descriptor.file
        for index in range(page, page + pages):
            if index >= FILE_PAGES_MAX:
                raise Refused("EINVAL")
            was_zero = not self.is_written(inode, index)
            self.allocate(inode, index).data = index
            if was_zero:
                self.unmap(inode, {index})
            inode.size = max(inode.size, index + 1)
        return pages * 4096

    def fsync(self, worker: int, file: int | str) -> int:
        """Nothing that the model knows of is written back."""
        self.target(worker, file)
        return 0

    def is_written(self, file: File, index: int) -> bool:
        return index in file.blocks and file.blocks[index].written

    def allocate(self, file: File, index: int) -> Block:
        """A block to write to."""
        block = file.blocks.setdefault(index, Block())
        block.written = True
        return block

    def ftruncate(self, worker: int, file: int | str, pages: int) -> Sleeping:
        inode = self.to_change(worker, file, "EINVAL")
        if pages > FILE_PAGES_MAX:
            raise Refused("EINVAL")
        yield from self.break_layout(inode)
        inode.size = pages
        inode.blocks = {i: b for i, b in inode.blocks.items() if i < pages}
        return 0

    def punch(self, worker: int, file: int | str, page: int, pages: int) -> Sleeping:
        inode = self.to_change(worker, file, "EBADF")
        if page + pages > FILE_PAGES_MAX:
            raise Refused("EINVAL")
        yield from self.break_layout(inode)
        inode.blocks = {i: b for i, b in inode.blocks.items() if not page <= i < page + pages}
        return 0

    def zerorange(self, worker: int, file: int | str, page: int, pages: int) -> Sleeping:
        inode = self.to_change(worker, file, "EBADF")
        if page + pages > FILE_PAGES_MAX:
            raise Refused("EINVAL")
        yield from self.break_layout(inode)
        for index in range(page, page + pages):
            if index in inode.blocks:
                inode.blocks[index].written = False
                inode.blocks[index].data = 0
        return 0

    def break_layout(self, file: File) -> Sleeping:
        """Unmaps the file and sleeps for one busy page after the other; then every entry goes."""
        self.unmap(file, set(range(FILE_PAGES_MAX)))
        while (page := self.busy(file)) is not None:
            while self.refs_on(file, page):
                yield
            self.unmap(file, set(range(FILE_PAGES_MAX)))
        file.entries.clear()
        return 0

    def unmap(self, file: File, indices: set[int]) -> None:
        """unmap_mapping_pages: the entries go, the mappings stay."""
        for mapping in self.mappings(file):
            self.zap(mapping, {i - mapping.offset for i in indices})

    def zap(self, mapping: Mapping, pages: set[int]) -> None:
        for page in pages:
            mapping.ptes.pop(page, None)
            mapping.pmds.pop(mapping.slot(page), None)
