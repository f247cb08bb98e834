//! Calls on memory: mapping, touching, and every kind of reference. The order of arguments is the
//! program language's.

use pgmap_mm::vm::GupKind;
use pgmap_program::op::{
    self, Access, Advice, Align, Longterm, MapNo, Op, PageRange, Prot, Sharing,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::convert::{
    AccessWord, AlignWord, Fd, FileArg, Map, Page, Pages, Pin, Pipe, ProtWord, SharingWord, Ticks,
    Word, Worker,
};
use crate::world::World;

/// The range of a partial munmap: both of its ends, or none.
fn range(page: Option<Page>, pages: Option<Pages>) -> PyResult<Option<PageRange>> {
    match (page, pages) {
        (None, None) => Ok(None),
        (Some(page), pages) => {
            Ok(Some(PageRange { page: page.0, pages: pages.map_or(1, |pages| pages.0) }))
        }
        (None, Some(_)) => Err(PyTypeError::new_err("pages without page: which ones?")),
    }
}

#[pymethods]
impl World {
    /// Maps some pages of a file under a number. `align="odd"` makes huge mappings impossible.
    #[pyo3(signature = (worker, map, file, offset, pages, prot=ProtWord(Prot::ReadWrite),
        sharing=SharingWord(Sharing::Shared), align=AlignWord(Align::Natural)),
        text_signature = "($self, worker, map, file, offset, pages, prot='rw', sharing='shared', \
        align='natural')")]
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    fn mmap(
        &self,
        py: Python<'_>,
        worker: Worker,
        map: Map,
        file: FileArg,
        offset: Page,
        pages: Pages,
        prot: ProtWord,
        sharing: SharingWord,
        align: AlignWord,
    ) -> PyResult<()> {
        let file = self.file(py, file)?;
        let op = op::Mmap {
            map: map.0,
            file: file.at,
            offset: offset.0,
            pages: pages.0,
            prot: prot.0,
            sharing: sharing.0,
            align: align.0,
        };
        self.op(py, worker, op).map(drop)
    }

    /// Unmaps all of a mapping, or some pages of it.
    #[pyo3(signature = (worker, map, page=None, pages=None))]
    fn munmap(
        &self,
        py: Python<'_>,
        worker: Worker,
        map: Map,
        page: Option<Page>,
        pages: Option<Pages>,
    ) -> PyResult<()> {
        let range = range(page, pages)?;
        self.op(py, worker, op::Munmap { map: map.0, range }).map(drop)
    }

    /// Reads the data word of a page.
    fn load(&self, py: Python<'_>, worker: Worker, map: Map, page: Page) -> PyResult<u64> {
        let op = op::Load { map: map.0, page: page.0 };
        self.op(py, worker, op).map(i64::cast_unsigned)
    }

    /// Writes the data word of a page.
    fn store(
        &self,
        py: Python<'_>,
        worker: Worker,
        map: Map,
        page: Page,
        value: Word,
    ) -> PyResult<()> {
        let op = op::Store { map: map.0, page: page.0, value: value.0 };
        self.op(py, worker, op).map(drop)
    }

    /// Touches pages one after the other; a write stores the number of the file's page.
    #[pyo3(signature = (worker, map, page, pages=Pages(1), access=AccessWord(Access::Read)),
        text_signature = "($self, worker, map, page, pages=1, access='r')")]
    fn touch(
        &self,
        py: Python<'_>,
        worker: Worker,
        map: Map,
        page: Page,
        pages: Pages,
        access: AccessWord,
    ) -> PyResult<()> {
        let op = op::Touch { map: map.0, access: access.0, page: page.0, pages: pages.0 };
        self.op(py, worker, op).map(drop)
    }

    /// MADV_DONTNEED of one page: its entries go, the mapping stays.
    fn madvise(&self, py: Python<'_>, worker: Worker, map: Map, page: Page) -> PyResult<()> {
        let op = op::Madvise { map: map.0, advice: Advice::DontNeed, page: page.0 };
        self.op(py, worker, op).map(drop)
    }

    /// Writes a mapping back.
    fn msync(&self, py: Python<'_>, worker: Worker, map: Map) -> PyResult<()> {
        self.op(py, worker, op::Msync { map: map.0 }).map(drop)
    }

    /// pin_user_pages, kept until `unpin`.
    #[pyo3(signature = (worker, map, page, pages=Pages(1), *, access=AccessWord(Access::Read),
        longterm=false),
        text_signature = "($self, worker, map, page, pages=1, *, access='r', longterm=False)")]
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    fn pin<'py>(
        &self,
        py: Python<'py>,
        worker: Worker,
        map: Map,
        page: Page,
        pages: Pages,
        access: AccessWord,
        longterm: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let longterm = if longterm { Longterm::Long } else { Longterm::Short };
        let op = op::Pin { map: map.0, page: page.0, pages: pages.0, longterm, access: access.0 };
        self.gup(py, worker, &op.into(), GupKind::Pin, op)
    }

    /// get_user_pages, kept until `unpin`.
    #[pyo3(signature = (worker, map, page, pages=Pages(1)),
        text_signature = "($self, worker, map, page, pages=1)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        worker: Worker,
        map: Map,
        page: Page,
        pages: Pages,
    ) -> PyResult<Bound<'py, PyAny>> {
        let op = op::Get { map: map.0, page: page.0, pages: pages.0 };
        self.gup(py, worker, &op.into(), GupKind::Get, op.into())
    }

    /// Gives a pin or get back, the most recent one by default. Returns pages.
    #[pyo3(signature = (worker, pin=None))]
    fn unpin(&self, py: Python<'_>, worker: Worker, pin: Option<Pin>) -> PyResult<i64> {
        self.op(py, worker, op::Unpin { pin: pin.map(|pin| pin.0) })
    }

    /// A device reads the first page of a pin.
    #[pyo3(signature = (worker, pin=None))]
    fn dma_read(&self, py: Python<'_>, worker: Worker, pin: Option<Pin>) -> PyResult<u64> {
        let op = op::DmaRead { pin: pin.map(|pin| pin.0) };
        self.op(py, worker, op).map(i64::cast_unsigned)
    }

    /// A device writes the first page of each range of a pin.
    #[pyo3(signature = (worker, value, pin=None))]
    fn dma_write(
        &self,
        py: Python<'_>,
        worker: Worker,
        value: Word,
        pin: Option<Pin>,
    ) -> PyResult<()> {
        let op = op::DmaWrite { pin: pin.map(|pin| pin.0), value: value.0 };
        self.op(py, worker, op).map(drop)
    }

    /// Makes a pipe under a number.
    fn pipe(&self, py: Python<'_>, worker: Worker, pipe: Pipe) -> PyResult<()> {
        self.op(py, worker, op::Pipe { pipe: pipe.0 }).map(drop)
    }

    /// Puts references on pages into a pipe. Returns bytes.
    #[pyo3(signature = (worker, pipe, map, page, pages=Pages(1)),
        text_signature = "($self, worker, pipe, map, page, pages=1)")]
    fn vmsplice(
        &self,
        py: Python<'_>,
        worker: Worker,
        pipe: Pipe,
        map: Map,
        page: Page,
        pages: Pages,
    ) -> PyResult<i64> {
        let op = op::Vmsplice { pipe: pipe.0, map: map.0, page: page.0, pages: pages.0 };
        self.op(py, worker, op)
    }

    /// Puts references on a pipe's pages into another pipe. Returns bytes.
    #[pyo3(signature = (worker, source, target, pages=Pages(1)),
        text_signature = "($self, worker, source, target, pages=1)")]
    fn tee(
        &self,
        py: Python<'_>,
        worker: Worker,
        source: Pipe,
        target: Pipe,
        pages: Pages,
    ) -> PyResult<i64> {
        let op = op::Tee { from: source.0, to: target.0, pages: pages.0 };
        self.op(py, worker, op)
    }

    /// Reads pages out of a pipe, dropping their references. Returns bytes.
    #[pyo3(signature = (worker, pipe, pages=Pages(1)),
        text_signature = "($self, worker, pipe, pages=1)")]
    fn drain(&self, py: Python<'_>, worker: Worker, pipe: Pipe, pages: Pages) -> PyResult<i64> {
        self.op(py, worker, op::Drain { pipe: pipe.0, pages: pages.0 })
    }

    /// Reads another worker's memory through pins that are gone on return. Returns bytes.
    #[pyo3(signature = (worker, target, map, page, pages=Pages(1)),
        text_signature = "($self, worker, target, map, page, pages=1)")]
    fn process_vm_readv(
        &self,
        py: Python<'_>,
        worker: Worker,
        target: Worker,
        map: Map,
        page: Page,
        pages: Pages,
    ) -> PyResult<i64> {
        let op = op::Pvmread { target: target.0, map: map.0, page: page.0, pages: pages.0 };
        self.op(py, worker, op)
    }

    /// Registers an io_uring buffer: a long-term pin.
    #[pyo3(signature = (worker, map, page, pages=Pages(1)),
        text_signature = "($self, worker, map, page, pages=1)")]
    fn uring_register(
        &self,
        py: Python<'_>,
        worker: Worker,
        map: Map,
        page: Page,
        pages: Pages,
    ) -> PyResult<()> {
        let op = op::UringReg { map: map.0, page: page.0, pages: pages.0 };
        self.op(py, worker, op).map(drop)
    }

    /// Takes the registered buffer back.
    fn uring_unregister(&self, py: Python<'_>, worker: Worker) -> PyResult<()> {
        self.op(py, worker, Op::UringUnreg).map(drop)
    }

    /// Writes memory to the slow device: pinned until `complete_io`, or for some ticks. Returns bytes.
    #[pyo3(signature = (worker, fd, map, page, pages=Pages(1), ticks=None),
        text_signature = "($self, worker, fd, map, page, pages=1, ticks=None)")]
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    fn dio_write(
        &self,
        py: Python<'_>,
        worker: Worker,
        fd: Fd,
        map: Map,
        page: Page,
        pages: Pages,
        ticks: Option<Ticks>,
    ) -> PyResult<i64> {
        let (device, map, ticks): (_, MapNo, _) = (fd.0, map.0, ticks.map(|ticks| ticks.0));
        let op = op::DioWrite { device, map, page: page.0, pages: pages.0, ticks };
        self.op(py, worker, op)
    }

    /// Reads from the slow device into memory: pinned as in `dio_write`. Returns bytes.
    #[pyo3(signature = (worker, fd, map, page, pages=Pages(1), ticks=None),
        text_signature = "($self, worker, fd, map, page, pages=1, ticks=None)")]
    #[expect(clippy::too_many_arguments, reason = "the system call has as many")]
    fn dio_read(
        &self,
        py: Python<'_>,
        worker: Worker,
        fd: Fd,
        map: Map,
        page: Page,
        pages: Pages,
        ticks: Option<Ticks>,
    ) -> PyResult<i64> {
        let (device, map, ticks): (_, MapNo, _) = (fd.0, map.0, ticks.map(|ticks| ticks.0));
        let op = op::DioRead { device, map, page: page.0, pages: pages.0, ticks };
        self.op(py, worker, op)
    }
}
