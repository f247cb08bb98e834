//! The methods of a world that are operations, out of the table.
//!
//! A method is one line below: its name, its operation, and its signature as Python shows it. What it does, what it
//! returns and which errors it can end in are the row's; what each argument may be, and in which words it is refused,
//! its kind's (`given`). What `help` says of an argument is in `help`.

use pgmap_mm::vm::GupKind;
use pgmap_program::op::{self, Op, Operation, Returns};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::convert::Worker;
use crate::given::{Called, Given};
use crate::help::{argument, asks, parameter};
use crate::raise::{self, Class};
use crate::signature::{Call, Signature};
use crate::world::World;

/// A method that is an operation.
struct Method {
    name: &'static str,
    signature: &'static str,
    /// The word of its operation.
    word: &'static str,
    /// The parameter of each argument.
    parameters: &'static [&'static str],
    build: fn(&Given<'_, '_>) -> PyResult<Op>,
    called: PyOnceLock<Called>,
}

impl Method {
    fn called(&self, py: Python<'_>) -> PyResult<&Called> {
        self.called.get_or_try_init(py, || {
            let unknown = || raise::error(py, Class::InternalError, self.word);
            let row = Operation::named(self.word).ok_or_else(unknown)?;
            let signature = Signature::read(py, self.name, self.signature)?;
            let places = self.parameters.iter().map(|parameter| signature.place(parameter));
            Ok(Called { row, places: places.collect(), signature })
        })
    }
}

impl World {
    /// Does what a method says, with what was given.
    fn called<'py>(
        &self,
        py: Python<'py>,
        method: &'static Method,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let called = method.called(py)?;
        let given = Given::new(self, called, Call::new(&called.signature, args, kwargs)?);
        let worker = given.worker()?.map(Worker);
        let op = (method.build)(&given)?;
        given.all_found()?;
        let returned = match (worker, op) {
            (None, op) => self.machine(py, &op).map(|()| 0)?,
            (Some(worker), Op::Pin(wanted)) => {
                return self.gup(py, worker, &wanted.into(), GupKind::Pin, wanted);
            }
            (Some(worker), Op::Get(wanted)) => {
                return self.gup(py, worker, &wanted.into(), GupKind::Get, wanted.into());
            }
            (Some(worker), op @ Op::TryGet(wanted)) => {
                return self.numbered(py, worker, &op, |world, cpu, ticket| {
                    world.try_get_numbered(cpu, worker.0, ticket, &wanted)
                });
            }
            (Some(worker), op) => self.op(py, worker, op)?,
        };
        Ok(match called.row.returns {
            Returns::Zero => py.None().into_bound(py),
            Returns::Word => returned.cast_unsigned().into_pyobject(py)?.into_any(),
            Returns::Bytes
            | Returns::Pages
            | Returns::Pinned
            | Returns::Folios
            | Returns::Driven
            | Returns::FdNumber => returned.into_pyobject(py)?.into_any(),
        })
    }
}

/// What a call can end in besides its result, behind a heading.
macro_rules! errors {
    () => { "" };
    ($first:ident $($more:ident)*) => {
        concat!("\nErrors: ", error!($first) $(, ", ", error!($more))*, ".")
    };
}

macro_rules! error {
    (Sigbus) => {
        "SIGBUS"
    };
    (Sigsegv) => {
        "SIGSEGV"
    };
    ($errno:ident) => {
        stringify!($errno)
    };
}

macro_rules! returned {
    (Zero) => {
        ""
    };
    (Pinned) => {
        concat!("\nReturns a `Pinned`: ", pgmap_program::meaning_of_return!(Pinned), ".\n")
    };
    ($other:ident) => {
        concat!("\nReturns ", pgmap_program::meaning_of_return!($other), ".\n")
    };
}

/// Makes `row!`: of an operation's row, its word, what `help` says, and how it is made of what is given.
macro_rules! rows {
    (() $(
        $(#[doc = $sentence:literal])+
        $by:ident($word:literal $(as $call:literal)? $(, $word2:literal $(as $call2:literal)?)*) $method:ident:
            $name:ident $(($args:ident {
                $($field:ident: $value:ty = $form:ident($usage:literal)),+ $(,)?
            }))?
        -> $returns:ident [$($errno:ident)* $(| $($died:ident)+)?]
        $(hunt $turn:literal $hunted:literal = $text:literal)*;
    )+) => {
        macro_rules! row {
            $(
                (word $name) => { $word };
                (help $name) => {
                    concat!(
                        $($sentence,)+ asks!($name)
                        $($(, argument!($name $field $form))+)?,
                        returned!($returns), errors!($($errno)* $($($died)+)?)
                    )
                };
                (parameters $name) => {
                    &[$($(parameter!($name $field)),+)?]
                };
                (build $name) => {
                    |_given| Ok(Op::$name $((op::$args {
                        $($field: _given.next()?),+
                    }))?)
                };
            )+
        }
    };
}

pgmap_program::operations!(rows);

macro_rules! methods {
    ($($name:ident: $row:ident $signature:literal;)+) => {
        #[pymethods]
        impl World {$(
            #[doc = row!(help $row)]
            #[pyo3(signature = (*args, **kwargs), text_signature = $signature)]
            fn $name<'py>(
                &self,
                py: Python<'py>,
                args: &Bound<'py, PyTuple>,
                kwargs: Option<&Bound<'py, PyDict>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                static METHOD: Method = Method {
                    name: stringify!($name),
                    signature: $signature,
                    word: row!(word $row),
                    parameters: row!(parameters $row),
                    build: row!(build $row),
                    called: PyOnceLock::new(),
                };
                self.called(py, &METHOD, args, kwargs)
            }
        )+}
    };
}

methods! {
    spawn: Spawn "($self, worker)";
    fork: Fork "($self, worker, child)";
    clone: Thread "($self, worker, child)";
    exit: Exit "($self, worker)";
    kill: Kill "($self, worker)";

    open: Open "($self, worker, fd, file, mode='rw')";
    dup2: Dupto "($self, worker, fd, number)";
    unlink: Unlink "($self, worker, file)";
    fsync: Fsync "($self, worker, file)";
    ftruncate: Ftruncate "($self, worker, file, pages)";
    punch: Punch "($self, worker, file, page, pages=1)";
    zero_range: Zerorange "($self, worker, file, page, pages=1)";
    reflink: Reflink "($self, worker, file, source)";

    mmap: Mmap "($self, worker, map, file, offset, pages, prot='rw', sharing='shared', align='natural')";
    anon: Anon "($self, worker, map, pages, kind='anon')";
    munmap: Munmap "($self, worker, map, page=None, pages=None)";
    mremap: Mremap "($self, worker, map)";
    touch: Touch "($self, worker, map, page, pages=1, access='r')";
    load: Load "($self, worker, map, page)";
    store: Store "($self, worker, map, page, value)";
    msync: Msync "($self, worker, map)";
    madvise: Madvise "($self, worker, map, page)";
    split_huge_pages: SplitHugePages "($self, worker, map, page)";

    move_pages: MovePages "($self, worker, map, page)";
    shrink: Shrink "($self, worker)";

    pipe: Pipe "($self, worker, pipe)";
    vmsplice: Vmsplice "($self, worker, pipe, map, page, pages=1)";
    tee: Tee "($self, worker, source, target, pages=1)";
    drain: Drain "($self, worker, pipe, pages=1)";
    process_vm_readv: Pvmread "($self, worker, target, map, page, pages=1)";
    uring_register: UringReg "($self, worker, map, page, pages=1)";
    uring_unregister: UringUnreg "($self, worker)";
    dio_write: DioWrite "($self, worker, fd, map, page, pages=1, ticks=None)";
    dio_read: DioRead "($self, worker, fd, map, page, pages=1, ticks=None)";
    pin: Pin "($self, worker, map, page, pages=1, *, access='r', longterm=False)";
    get: Get "($self, worker, map, page, pages=1)";
    unpin: Unpin "($self, worker, pin=None)";
    dma_write: DmaWrite "($self, worker, value, pin=None)";
    dma_read: DmaRead "($self, worker, pin=None)";

    dev_alloc: DevAlloc "($self, worker, start, pages)";
    dev_get: DevGet "($self, worker, page)";
    dev_put: DevPut "($self, worker, page)";
    try_get: TryGet "($self, worker, page)";
    split: Split "($self, worker, page, pages=1)";
    fold: Fold "($self, worker, page)";
    hmm_todev: HmmTodev "($self, worker, device, map, page, pages=1)";
    hmm_tosys: HmmTosys "($self, worker, device, map, page, pages=1)";
    hmm_read: HmmRead "($self, worker, device, map, page, pages=1)";
    hmm_write: HmmWrite "($self, worker, device, map, page, value)";
    exclusive: Exclusive "($self, worker, device, map, page, pages=1)";
    hmm_release: HmmRelease "($self, worker, device)";
    hmm_load: HmmLoad "($self, worker, memory)";
    hmm_unload: HmmUnload "($self, worker)";
    p2p_mmap: P2pMmap "($self, worker, map, pages, room)";
    drv_alloc: DrvAlloc "($self, worker, driver)";
    ref_get: RefGet "($self, worker, reference)";
    ref_tryget: RefTryget "($self, worker, reference)";
    ref_tryget_live: RefTrygetLive "($self, worker, reference)";
    ref_put: RefPut "($self, worker, reference)";
    ref_kill: RefKill "($self, worker, reference)";
    ref_wait: RefWait "($self, worker, reference)";
    ref_resurrect: RefResurrect "($self, worker, reference)";
    drv_put: DrvPut "($self, worker)";

    umount: Umount "($self)";
    unbind: Unbind "($self)";
    bind: Bind "($self)";
}
