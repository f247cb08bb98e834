from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import (
    Any,
    Generic,
    Literal,
    NoReturn,
    SupportsIndex,
    TypedDict,
    TypeVar,
    final,
    overload,
    type_check_only,
)

from pgmap._core_explore import (
    ExploreProgress,
    ExploreReport,
    HuntProgress,
    HuntReport,
    Replayed,
    ReproduceProgress,
    ReproduceReport,
    Revealed,
    RunReport,
)
from pgmap._core_facts import Catalogue, Facts
from pgmap._core_reports import (
    BenchProgress,
    BenchReport,
    Conformance,
    StressProgress,
    StressReport,
)
from pgmap.build import Builder
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

__all__ = [
    "BenchRun",
    "ExploreRun",
    "Program",
    "StressRun",
    "World",
    "bench_core",
    "build_info",
    "catalogue",
    "check_rules",
    "conform",
    "explore_start",
    "facts",
    "hunt_start",
    "replay",
    "reproduce_start",
    "reveal",
    "run_once",
    "stress_start",
    "version",
]

@type_check_only
class _BuildInfo(TypedDict):
    version: str
    debug_assertions: bool
    arch: str
    os: str
    pointer_width: int

def version() -> str: ...
def build_info() -> _BuildInfo: ...
def conform(text: str, era: str | None = None) -> Conformance: ...
def bench_core(config: dict[str, Any]) -> BenchRun: ...

@final
class BenchRun:
    def poll(self) -> BenchProgress: ...
    def stop(self) -> None: ...
    def finish(self) -> BenchReport: ...

def stress_start(config: dict[str, Any]) -> StressRun: ...

@final
class StressRun:
    def poll(self) -> StressProgress: ...
    def stop(self) -> None: ...
    def finish(self) -> StressReport: ...

def explore_start(config: dict[str, Any]) -> ExploreRun[ExploreProgress, ExploreReport]: ...
def run_once(config: dict[str, Any]) -> RunReport: ...
def hunt_start(config: dict[str, Any]) -> ExploreRun[HuntProgress, HuntReport]: ...
def reproduce_start(
    config: dict[str, Any],
) -> ExploreRun[ReproduceProgress, ReproduceReport]: ...
def replay(
    token: str,
    era: str | None = None,
    breaks: Sequence[tuple[str, str]] = (),
    steps: bool = False,
    stopped: Callable[[], bool] | None = None,
) -> Replayed: ...
def reveal(token: str) -> Revealed: ...
def catalogue(races: str | None = None) -> Catalogue: ...
def check_rules(era: str, breaks: Sequence[tuple[str, str]]) -> None: ...
def facts() -> Facts: ...

_P = TypeVar("_P")
_R = TypeVar("_R")

@final
class ExploreRun(Generic[_P, _R]):
    def poll(self) -> _P: ...
    def wait(self, seconds: float) -> bool: ...
    def stop(self) -> None: ...
    def finish(self) -> _R: ...

_Era = Literal["v6.15", "v6.15-sound"] | str
_Access = Literal["r", "w"]
_Mode = Literal["ro", "rw", "ro,direct", "rw,direct"]
_State = Literal["written", "unwritten", "sparse"]
_Layout = Literal["contiguous", "huge"]
_Prot = Literal["r", "rw"]
_Sharing = Literal["shared", "private"]
_Align = Literal["natural", "odd"]
_Stuck = Literal["auto", "raise", "wait"]
_File = str | SupportsIndex

@final
class Program:
    def __new__(cls, text: str) -> Program: ...
    @staticmethod
    def parse(text: str) -> Program: ...
    @staticmethod
    def build() -> Builder: ...
    @property
    def text(self) -> str: ...
    @property
    def files(self) -> tuple[tuple[str, int], ...]: ...
    @property
    def workers(self) -> tuple[int, ...]: ...
    @property
    def steps(self) -> tuple[Step, ...]: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Program], tuple[str]]: ...

@final
class World:
    def __new__(
        cls,
        *,
        era: _Era = "v6.15-sound",
        rules: Mapping[str, str] | None = None,
        geometry: Mapping[str, SupportsIndex] | None = None,
        deadline: float = 10.0,
        stuck: _Stuck = "auto",
        checks: bool = True,
    ) -> World: ...
    # the world itself
    def __reduce_ex__(self, _protocol: SupportsIndex, /) -> NoReturn: ...
    def __enter__(self) -> World: ...
    def __exit__(
        self,
        *_exc: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    @overload
    def close(self, worker: None = None, fd: None = None) -> None: ...
    @overload
    def close(self, worker: SupportsIndex, fd: SupportsIndex) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def era(self) -> str: ...
    @property
    def rules(self) -> dict[str, str]: ...
    @property
    def geometry(self) -> dict[str, int]: ...
    @property
    def deadline(self) -> float: ...
    @property
    def stuck(self) -> _Stuck: ...
    @property
    def checks(self) -> bool: ...
    def nop(self) -> None: ...
    # processes
    def spawn(self, worker: SupportsIndex) -> None: ...
    def clone(self, worker: SupportsIndex, child: SupportsIndex) -> None: ...
    def fork(self, worker: SupportsIndex, child: SupportsIndex) -> None: ...
    def exit(self, worker: SupportsIndex) -> None: ...
    def kill(self, worker: SupportsIndex) -> None: ...
    def interrupt(self, worker: SupportsIndex) -> bool: ...
    def asleep(self, worker: SupportsIndex) -> str | None: ...
    def settled(self) -> bool: ...
    def waiters(self) -> tuple[Waiter, ...]: ...
    # files
    def create(
        self,
        file: str,
        pages: SupportsIndex,
        state: _State = "written",
        layout: _Layout = "contiguous",
    ) -> None: ...
    def open(
        self, worker: SupportsIndex, fd: SupportsIndex, file: str, mode: _Mode = "rw"
    ) -> None: ...
    def dup2(self, worker: SupportsIndex, fd: SupportsIndex, number: SupportsIndex) -> int: ...
    def unlink(self, worker: SupportsIndex, file: str) -> None: ...
    def pread(
        self, worker: SupportsIndex, file: _File, page: SupportsIndex, pages: SupportsIndex = 1
    ) -> tuple[int, ...]: ...
    def pwrite(
        self,
        worker: SupportsIndex,
        file: _File,
        page: SupportsIndex,
        value: SupportsIndex,
        pages: SupportsIndex = 1,
    ) -> int: ...
    def fsync(self, worker: SupportsIndex, file: _File) -> None: ...
    def ftruncate(self, worker: SupportsIndex, file: _File, pages: SupportsIndex) -> None: ...
    def punch(
        self, worker: SupportsIndex, file: _File, page: SupportsIndex, pages: SupportsIndex = 1
    ) -> None: ...
    def zero_range(
        self, worker: SupportsIndex, file: _File, page: SupportsIndex, pages: SupportsIndex = 1
    ) -> None: ...
    # memory
    def mmap(
        self,
        worker: SupportsIndex,
        map: SupportsIndex,
        file: _File,
        offset: SupportsIndex,
        pages: SupportsIndex,
        prot: _Prot = "rw",
        sharing: _Sharing = "shared",
        align: _Align = "natural",
    ) -> None: ...
    def munmap(
        self,
        worker: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex | None = None,
        pages: SupportsIndex | None = None,
    ) -> None: ...
    def load(self, worker: SupportsIndex, map: SupportsIndex, page: SupportsIndex) -> int: ...
    def store(
        self, worker: SupportsIndex, map: SupportsIndex, page: SupportsIndex, value: SupportsIndex
    ) -> None: ...
    def touch(
        self,
        worker: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
        access: _Access = "r",
    ) -> None: ...
    def madvise(self, worker: SupportsIndex, map: SupportsIndex, page: SupportsIndex) -> None: ...
    def msync(self, worker: SupportsIndex, map: SupportsIndex) -> None: ...
    # references
    def pin(
        self,
        worker: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
        *,
        access: _Access = "r",
        longterm: bool = False,
    ) -> Pinned: ...
    def get(
        self,
        worker: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
    ) -> Pinned: ...
    def unpin(self, worker: SupportsIndex, pin: SupportsIndex | None = None) -> int: ...
    def dma_read(self, worker: SupportsIndex, pin: SupportsIndex | None = None) -> int: ...
    def dma_write(
        self, worker: SupportsIndex, value: SupportsIndex, pin: SupportsIndex | None = None
    ) -> None: ...
    def pipe(self, worker: SupportsIndex, pipe: SupportsIndex) -> None: ...
    def vmsplice(
        self,
        worker: SupportsIndex,
        pipe: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
    ) -> int: ...
    def tee(
        self,
        worker: SupportsIndex,
        source: SupportsIndex,
        target: SupportsIndex,
        pages: SupportsIndex = 1,
    ) -> int: ...
    def drain(
        self, worker: SupportsIndex, pipe: SupportsIndex, pages: SupportsIndex = 1
    ) -> int: ...
    def process_vm_readv(
        self,
        worker: SupportsIndex,
        target: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
    ) -> int: ...
    def uring_register(
        self,
        worker: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
    ) -> None: ...
    def uring_unregister(self, worker: SupportsIndex) -> None: ...
    def dio_write(
        self,
        worker: SupportsIndex,
        fd: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
        ticks: SupportsIndex | None = None,
    ) -> int: ...
    def dio_read(
        self,
        worker: SupportsIndex,
        fd: SupportsIndex,
        map: SupportsIndex,
        page: SupportsIndex,
        pages: SupportsIndex = 1,
        ticks: SupportsIndex | None = None,
    ) -> int: ...
    # the machine
    def complete_io(self) -> None: ...
    def tick(self) -> int: ...
    def umount(self) -> None: ...
    def unbind(self) -> None: ...
    def bind(self) -> None: ...
    def dev_alloc(
        self, worker: SupportsIndex, start: SupportsIndex, pages: SupportsIndex
    ) -> int: ...
    def dev_get(self, worker: SupportsIndex, page: SupportsIndex) -> None: ...
    def dev_put(self, worker: SupportsIndex, page: SupportsIndex) -> None: ...
    # programs
    def execute(self, step: str | Step) -> int: ...
    def run(self, program: Program) -> tuple[Outcome, ...]: ...
    # what can be seen
    def page(self, file: str, index: SupportsIndex) -> PageState | None: ...
    def frame(self, pfn: SupportsIndex) -> PageState: ...
    def size(self, file: str) -> int: ...
    def extents(self, file: str) -> tuple[Extent, ...]: ...
    def holders(self, pfn: SupportsIndex) -> tuple[Holder, ...]: ...
    def violations(self) -> tuple[Violation, ...]: ...
    def quiescence(self) -> tuple[str, ...]: ...
    def tallies(self) -> dict[str, int]: ...
