//! What a world answers, as the frozen data classes of `pgmap.results`.

use pgmap_mm::page::Pfn;
use pgmap_mm::world::{Holder, PageSnapshot, Party, Violation};
use pgmap_prim::Waiter;
use pgmap_program::Rules;
use pgmap_program::era::Era;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

static RESULTS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// `pgmap.results.<name>(*args)`.
pub(crate) fn build<'py>(
    py: Python<'py>,
    name: &str,
    args: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let module =
        RESULTS.get_or_try_init(py, || PyModule::import(py, "pgmap.results").map(Bound::unbind))?;
    module.bind(py).getattr(name)?.call1(args)
}

/// A tuple of what `each` makes of every item.
pub(crate) fn tuple<'py, T>(
    py: Python<'py>,
    items: impl IntoIterator<Item = T>,
    each: impl FnMut(T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, items.into_iter().map(each).collect::<PyResult<Vec<_>>>()?)
}

pub(crate) fn page_state<'py>(
    py: Python<'py>,
    pfn: Pfn,
    seen: &PageSnapshot,
    data: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let large = seen.large.as_ref();
    let args = (
        pfn.0,
        seen.refcount,
        seen.mapcount,
        seen.order,
        seen.tail_of,
        large.map(|large| large.mapcount),
        large.map(|large| large.entire_mapcount),
        large.map(|large| large.pincount),
        seen.mapping,
        seen.share,
        data,
    );
    build(py, "PageState", args)
}

pub(crate) fn holder<'py>(py: Python<'py>, holder: &Holder) -> PyResult<Bound<'py, PyAny>> {
    build(py, "Holder", (holder.by.to_string().as_str(), holder.pages))
}

pub(crate) fn waiter<'py>(py: Python<'py>, waiter: &Waiter) -> PyResult<Bound<'py, PyAny>> {
    let who = Party::of(waiter.task.0);
    let pfn = crate::waits::awaited(waiter).map(|pfn| pfn.0);
    let owner = waiter.owner.map(|task| Party::of(task.0).to_string());
    let worker = who.worker.map(|worker| worker.0);
    build(py, "Waiter", (worker, who.op, waiter.class.name, pfn, owner, waiter.for_.as_secs_f64()))
}

pub(crate) fn violation<'py>(
    py: Python<'py>,
    era: Era,
    rules: &Rules,
    seen: Violation,
) -> PyResult<Bound<'py, PyAny>> {
    let takes_part =
        |operation: &str| seen.parties.iter().any(|side| side.call() == Some(operation));
    let known = era.known_race(rules, seen.invariant, takes_part).map(|race| race.id);
    let parties: Vec<String> = seen.parties.iter().map(ToString::to_string).collect();
    let args = (
        seen.invariant.id(),
        seen.title,
        seen.pfn.map(|pfn| pfn.0),
        PyTuple::new(py, parties)?,
        seen.detail,
        known,
    );
    build(py, "Violation", args)
}
