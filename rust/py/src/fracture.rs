//! `Pagemap` and `Folio`: plugged-in memory of a live world and its folios, under their own names.
//!
//! A folio is a borrowed name, as the kernel's `struct folio *` is: it says nothing about references. Who has one calls
//! `get` and `put`, who has none calls `try_get`. What a wrong call breaks, `World.violations` tells.

use std::sync::atomic::{AtomicBool, Ordering};

use pgmap_mm::page::{Folio as Emulated, Order, Pfn, Span};
use pgmap_mm::pagemap::{PagemapId, Pagemaps};
use pgmap_mm::vm::GupKind;
use pgmap_mm::world::World as Machine;
use pgmap_prim::Cpu;
use pgmap_program::Errno;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::{Frame, OrderArg, PagemapWord, Pages, Refs, pagemap_word};
use crate::raise;
use crate::world::World;

/// A range of device memory that `World.memremap_pages` has put under a pagemap.
#[pyclass(frozen, module = "pgmap", name = "Pagemap")]
#[derive(Debug)]
pub(crate) struct Pagemap {
    world: Py<World>,
    id: PagemapId,
    kind: PagemapWord,
    span: Span,
    shift: Order,
    /// Taken away: what its number says is somebody else's by now.
    gone: AtomicBool,
}

/// A folio, by its first frame.
#[pyclass(frozen, module = "pgmap", name = "Folio")]
#[derive(Debug)]
pub(crate) struct Folio {
    pagemap: Py<Pagemap>,
    pfn: Pfn,
}

fn folios<'py>(
    py: Python<'py>,
    pagemap: &Bound<'py, Pagemap>,
    heads: Vec<Pfn>,
) -> PyResult<Bound<'py, PyTuple>> {
    let folio = |pfn| Bound::new(py, Folio { pagemap: pagemap.clone().unbind(), pfn });
    PyTuple::new(py, heads.into_iter().map(folio).collect::<PyResult<Vec<_>>>()?)
}

#[pymethods]
impl World {
    /// Puts `pages` spare frames under a new pagemap, of folios that all have the order `shift` if that is not 0.
    /// `type` is "private", "coherent", "fs_dax" or "generic".
    #[pyo3(signature = (r#type, pages, shift=OrderArg(Order::PAGE)), text_signature = "($self, type, pages, shift=0)")]
    fn memremap_pages(
        slf: &Bound<'_, Self>,
        r#type: PagemapWord,
        pages: Pages,
        shift: OrderArg,
    ) -> PyResult<Pagemap> {
        let py = slf.py();
        let made = slf.get().look(py, |world, cpu| {
            let id = world.memremap_pages(cpu, r#type.0, pages.0, shift.0)?;
            Ok((id, world.dax.vm.pagemaps.span(id)))
        })?;
        let (id, span) = made.map_err(|errno: Errno| {
            raise::failure(py, errno.into(), &format!("memremap_pages {}", pages.0))
        })?;
        let world = slf.clone().unbind();
        Ok(Pagemap { world, id, kind: r#type, span, shift: shift.0, gone: AtomicBool::new(false) })
    }

    /// Makes maximal aligned folios of `length` pages from frame `start` on, one reference each. All or nothing: a page
    /// that is held refuses with EBUSY, a pagemap that is going with ENODEV.
    fn pgmap_alloc_folios<'py>(
        slf: &Bound<'py, Self>,
        pgmap: &Bound<'py, Pagemap>,
        start: Frame,
        length: Pages,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let of = pgmap.get();
        let start = slf.get().pfn(py, start)?;
        if !of.world.bind(py).is(slf) {
            return Err(PyValueError::new_err("pgmap is a pagemap of another world"));
        }
        let heads =
            of.call(py, &|| format!("pgmap_alloc_folios {start} {}", length.0), |machine, cpu| {
                let pagemaps = &machine.dax.vm.pagemaps;
                let span = pagemaps.alloc_folios(cpu, of.id, start, length.0)?;
                Ok(pagemaps.folios(span).map(Emulated::pfn).collect::<Vec<_>>())
            })?;
        folios(py, pgmap, heads)
    }
}

impl Pagemap {
    /// Calls into the machine, as long as the pagemap is there; `what` was called, if an errno is the answer.
    fn call<R: Send>(
        &self,
        py: Python<'_>,
        what: &dyn Fn() -> String,
        call: impl FnOnce(&Machine, &Cpu<'_>) -> Result<R, Errno> + Send,
    ) -> PyResult<R> {
        let refuse = |errno: Errno| raise::failure(py, errno.into(), &what());
        // Acquire: pairs with the release in `memunmap`.
        if self.gone.load(Ordering::Acquire) {
            return Err(refuse(Errno::ENODEV));
        }
        self.world.get().look(py, call)?.map_err(refuse)
    }
}

#[pymethods]
impl Pagemap {
    /// "private", "coherent", "fs_dax" or "generic".
    #[getter]
    fn r#type(&self) -> &'static str {
        pagemap_word(self.kind.0)
    }

    /// Its first frame.
    #[getter]
    fn start(&self) -> u32 {
        self.span.start.0
    }

    /// How many frames it covers.
    #[getter]
    fn pages(&self) -> u32 {
        self.span.pages
    }

    /// The order that all of its folios have for good; 0 for none.
    #[getter]
    fn shift(&self) -> u8 {
        self.shift.0
    }

    /// References that are out on it, its own included: what its `percpu_ref` adds up to. Exact when nobody is at work.
    #[getter]
    fn references(&self, py: Python<'_>) -> PyResult<i64> {
        self.call(py, &|| "references".to_owned(), |machine, _| {
            Ok(machine.dax.vm.pagemaps.ledger(self.id))
        })
    }

    /// The folio around a frame, with one more reference on it; `None` when the frame is free or its folio frozen.
    fn folio_try_get<'py>(
        slf: &Bound<'py, Self>,
        pfn: Frame,
    ) -> PyResult<Option<Bound<'py, Folio>>> {
        let (py, of) = (slf.py(), slf.get());
        let wanted = Pfn(pfn.0);
        let found = of.call(py, &|| format!("folio_try_get {wanted}"), |machine, cpu| {
            if !of.span.contains(wanted) {
                return Err(Errno::EINVAL);
            }
            Ok(machine.dax.vm.pagemaps.folio_try_get(cpu, wanted).map(Emulated::pfn))
        })?;
        found.map(|pfn| Bound::new(py, Folio { pagemap: slf.clone().unbind(), pfn })).transpose()
    }

    /// Takes the pagemap away; waits until nothing refers to it.
    fn memunmap(&self, py: Python<'_>) -> PyResult<()> {
        // Release: pairs with the acquire in `call`. Whoever is second has nothing to take away.
        if self.gone.swap(true, Ordering::AcqRel) {
            return Err(raise::failure(py, Errno::ENODEV.into(), "memunmap"));
        }
        self.world.get().look(py, |machine, cpu| machine.memunmap_pages(cpu, self.id))
    }

    fn __repr__(&self) -> String {
        let Span { start, pages } = self.span;
        let (kind, shift) = (pagemap_word(self.kind.0), self.shift.0);
        format!("<Pagemap {kind} {start} + {pages}, shift {shift}>")
    }
}

impl Folio {
    /// Calls with what the folio is now.
    fn call<R: Send>(
        &self,
        py: Python<'_>,
        what: &str,
        call: impl FnOnce(&Pagemaps, &Cpu<'_>, Emulated<'_>, &Machine) -> Result<R, Errno> + Send,
    ) -> PyResult<R> {
        let pfn = self.pfn;
        self.pagemap.get().call(py, &|| format!("{what} {pfn}"), |machine, cpu| {
            let pagemaps = &machine.dax.vm.pagemaps;
            call(pagemaps, cpu, pagemaps.memmap.folio_at(pfn), machine)
        })
    }
}

#[pymethods]
impl Folio {
    /// Its first frame.
    #[getter]
    fn pfn(&self) -> u32 {
        self.pfn.0
    }

    /// Its order, as it is now.
    #[getter]
    fn order(&self, py: Python<'_>) -> PyResult<u8> {
        self.call(py, "order", |_, _, folio, _| Ok(folio.order().0))
    }

    /// Its reference count, as it is now; 0 is free or frozen.
    #[getter]
    fn refcount(&self, py: Python<'_>) -> PyResult<i32> {
        self.call(py, "refcount", |_, _, folio, _| Ok(folio.refcount().get()))
    }

    /// Whether it may be pinned: exact for a large folio, a guess from above for a single page.
    #[getter]
    fn maybe_dma_pinned(&self, py: Python<'_>) -> PyResult<bool> {
        self.call(py, "folio_maybe_dma_pinned", |_, _, folio, _| Ok(folio.maybe_dma_pinned()))
    }

    /// One more reference, by who has one.
    fn get(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, "folio_get", |_, cpu, folio, machine| {
            machine.dax.vm.try_grab_folio(cpu, folio.pfn(), 1, GupKind::Get)
        })
    }

    /// One more reference, by anybody, unless the folio is free or frozen; whether there was one to be had. What has
    /// become a tail of another folio is none.
    fn try_get(&self, py: Python<'_>) -> PyResult<bool> {
        self.call(py, "folio_try_get", |pagemaps, cpu, folio, _| {
            let taken = pagemaps.folio_try_get(cpu, folio.pfn());
            let mine = taken.is_none_or(|taken| taken == folio);
            if let Some(other) = taken.filter(|_| !mine) {
                pagemaps.folio_put_refs(cpu, other, 1);
            }
            Ok(mine && taken.is_some())
        })
    }

    /// Puts references; the last one frees the folio.
    #[pyo3(signature = (refs=Refs(1)), text_signature = "($self, refs=1)")]
    fn put(&self, py: Python<'_>, refs: Refs) -> PyResult<()> {
        self.call(py, "folio_put", |pagemaps, cpu, folio, _| {
            pagemaps.folio_put_refs(cpu, folio, refs.0);
            Ok(())
        })
    }

    /// Pins it, by who has a reference.
    fn pin(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, "try_grab_folio", |_, cpu, folio, machine| {
            machine.dax.vm.try_grab_folio(cpu, folio.pfn(), 1, GupKind::Pin)
        })
    }

    /// Gives a pin back.
    fn unpin(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, "unpin_folio", |_, cpu, folio, machine| {
            machine.dax.vm.gup_put_folio(cpu, folio, 1, GupKind::Pin);
            Ok(())
        })
    }

    /// Splits it into folios of a lower `order`, by who has its only reference and then has one on each. EAGAIN, and
    /// nothing has changed, while anybody else has one.
    #[pyo3(signature = (order=OrderArg(Order::PAGE)), text_signature = "($self, order=0)")]
    fn split<'py>(slf: &Bound<'py, Self>, order: OrderArg) -> PyResult<Bound<'py, PyTuple>> {
        let (py, of) = (slf.py(), slf.get().pagemap.bind(slf.py()));
        let id = of.get().id;
        let heads = slf.get().call(py, "folio_split", |pagemaps, cpu, folio, _| {
            let span = pagemaps.folio_split_unmapped(cpu, id, folio, order.0)?;
            Ok(pagemaps.memmap.heads(span, order.0).map(Emulated::pfn).collect::<Vec<_>>())
        })?;
        folios(py, of, heads)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| other.get().pfn == self.pfn && other.get().pagemap.is(&self.pagemap))
    }

    fn __hash__(&self) -> u64 {
        self.pfn.0.into()
    }

    fn __repr__(&self) -> String {
        format!("<Folio {}>", self.pfn)
    }
}
