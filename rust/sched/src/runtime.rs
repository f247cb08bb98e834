//! What a task calls: the scheduling points, and how they find the execution they belong to.
//!
//! One OS thread runs one execution at a time, and a thread-local pointer names it (`entered`). The pointer is null outside tasks: while the model is reset or
//! checked, and while the scheduler asks a waiting task's condition. There every function of
//! this module does nothing, so code over these points also runs unscheduled.
//!
//! Together with `coroutine` and `sleep` this is the only room with `unsafe`, and it rests on two facts:
//!
//! * an engine is touched only by the OS thread that runs it, and every borrow of it ends before
//!   control passes to a task, back to the scheduler, or to a caller's closure that could come
//!   here again (closures of waiting tasks run with the pointer set to null);
//! * what a suspended task has lent to the engine lies on that task's stack, which stays as it is
//!   until the task is resumed or the execution is over.

use core::panic::Location;
use core::ptr::NonNull;

use crate::coroutine;
use crate::engine::Engine;
use crate::entered::{Entered, entered};
use crate::failure::Defect;
use crate::place::Turn;
use crate::sleep::Sleep;
use crate::step::{Effect, Object, Step, Task, Touches, Wait};

/// The bit that tells interned objects from the caller's own.
const INTERNED: u64 = 1 << 63;

/// The one owner of an engine. Tasks reach it through the thread's pointer, the scheduler through
/// here.
pub(crate) struct EngineOwner(NonNull<Engine>);

impl EngineOwner {
    pub(crate) fn new(engine: Engine) -> Self {
        EngineOwner(NonNull::from(Box::leak(Box::new(engine))))
    }

    /// The engine, while no task runs.
    pub(crate) fn with<R>(&mut self, act: impl FnOnce(&mut Engine) -> R) -> R {
        // SAFETY: this is the one owner. Whoever holds it is the scheduler, so no task is inside one of its calls
        // to the engine, and `act` resumes none.
        act(unsafe { self.0.as_mut() })
    }
}

impl EngineOwner {
    /// From here on this thread's points talk to the engine, for as long as the value lives.
    pub(crate) fn enter(&self) -> Entered {
        Entered::new(self.0.as_ptr().cast())
    }
}

impl Drop for EngineOwner {
    fn drop(&mut self) {
        // SAFETY: made from a box in `new`; `Entered` values do not outlive the engine's user.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Whether this thread is inside a task of an execution.
#[inline]
#[must_use]
pub fn running() -> bool {
    !entered().is_null()
}

/// The task that calls; `None` outside a run.
#[inline]
#[must_use]
pub fn current() -> Option<Task> {
    with(|engine| engine.current())
}

#[inline]
fn with<R>(act: impl FnOnce(&mut Engine) -> R) -> Option<R> {
    let engine = entered().cast::<Engine>();
    if engine.is_null() {
        return None;
    }
    // SAFETY: a non-null pointer was entered by `EngineOwner::enter`: the engine of the execution in progress on
    // this thread, which outlives the execution. No other borrow is alive: the scheduler holds none while a task
    // runs, and `act` is code of this module that calls nothing of the model's.
    let engine = unsafe { &mut *engine };
    Some(if engine.storm.alone() { apart(engine, act) } else { act(engine) })
}

/// In a frame of its own. What the engine counts and hashes changes with every event; while a task's stack is
/// compared with what it was (`storm`), none of that may be left in the frames of the task, where the compiler would
/// otherwise put it as it likes.
#[cold]
#[inline(never)]
fn apart<R>(engine: &mut Engine, act: impl FnOnce(&mut Engine) -> R) -> R {
    act(engine)
}

#[inline]
fn pass(turn: Option<Turn>) {
    match turn {
        None | Some(Turn::Go) => {}
        Some(Turn::Yield(me)) => coroutine::suspend(me),
        Some(Turn::Show(me)) => coroutine::show(me),
    }
}

/// A scheduling point: returns when the step may run, and the step must then run at once, before
/// the task's next call of this module. Does nothing outside a run.
#[inline]
pub fn point(step: Step) {
    pass(with(|engine| engine.point(step)));
}

/// A scheduling point of a step that cannot run yet: the task is not enabled until `ready()`.
///
/// The scheduler asks `ready` at its decisions, possibly often and from any stack; it must only
/// look (points inside it do nothing) and depend on shared state alone. What it looks at besides the
/// step's object is to be [`record`]ed or [`touch`]ed after the step, and others must not make it false again: the
/// search without a bound relies on that. Searches within bounds rely on what the wait says it looks at. Outside a run this does nothing, whatever `ready` says.
#[inline]
pub fn point_when(step: Step, wait: Wait<'_>, ready: &dyn Fn() -> bool) {
    let sleep = Sleep::new(wait, ready);
    pass(with(|engine| engine.point_when(step, sleep)));
}

/// An event that takes its place in happens-before and in the log at once, together with the
/// step before it, without a scheduling decision.
///
/// No other task runs between the task's previous step and this event. An event that must not
/// come earlier than the *next* step (entering a section, say) is recorded after that step's
/// point has returned, and after [`settle`] and [`value`] have said what that step was.
#[inline]
pub fn record(step: Step) {
    let _ = with(|engine| engine.record(step));
}

/// The step that just ran looked at this object, or changed it, without leaving a trace: no event, and nothing
/// in the history. For what a step does besides that others may undo or bring about, and that leads to the same
/// state as long as nothing came of it. Only the search without a bound asks.
#[inline]
pub fn touch(object: Object, effect: Effect) {
    let _ = with(|engine| engine.touch(object, effect));
}

/// The step that just ran looked at all these: [`touch`] for each. The number stands for them as long as the model
/// lives, so that a search need not go through them again.
pub fn touch_all(number: u32, objects: &[Object]) {
    let _ = with(|engine| engine.touch_all(number, objects));
}

/// Whether anybody asks what is [`touch`]ed.
#[inline]
#[must_use]
pub fn touches_count() -> bool {
    with(|engine| engine.records_accesses()).unwrap_or(false)
}

/// Whether all that happens now has happened just so in an execution before, of the same search: looks that found
/// nothing then find nothing now. Before a task's first step this may be said too seldom.
#[inline]
#[must_use]
pub fn repeats() -> bool {
    with(|engine| engine.repeats()).unwrap_or(false)
}

/// The step that just ran turned out to have this effect: a compare-and-exchange that failed is
/// a read. To be called before the task's next point.
#[inline]
pub fn settle(effect: Effect) {
    let _ = with(|engine| engine.settle(effect));
}

/// What the step that just ran found and left behind: for the log of a replay, and for telling a
/// retry that changes nothing from progress.
#[inline]
pub fn value(before: u64, after: u64) {
    let _ = with(|engine| engine.value(before, after));
}

/// A remark in the log of a replay: an operation begins, ends, returns. Not an event.
#[inline]
pub fn note(code: u32, a: u64, b: u64) {
    let _ = with(|engine| engine.note(code, a, b));
}

/// One turn of a busy-wait: the task is not enabled until another task has written an object
/// that this task has accessed since its previous turn.
#[inline]
pub fn relax(site: &'static Location<'static>) {
    pass(with(|engine| engine.relax(site)));
}

/// A choice among `0..n` other than which task runs: part of the search and of the schedule.
/// Outside a run, and for `n <= 1`, it is 0.
#[inline]
#[must_use]
pub fn choose(n: u32) -> u32 {
    match with(|engine| engine.choose(n)) {
        None => 0,
        Some(Ok(value)) => value,
        Some(Err(me)) => coroutine::leave(me),
    }
}

/// A choice among `0..n` whose results other than 0 cost one of the budget that preemptions are paid from;
/// with the budget spent, and where [`choose`] is 0, it is 0. The ordinary result is no event.
#[inline]
#[must_use]
pub fn choose_paid(n: u32) -> u32 {
    match with(|engine| engine.choose_paid(n)) {
        None => 0,
        Some(Ok(value)) => value,
        Some(Err(me)) => coroutine::leave(me),
    }
}

/// Whether the step that the task is about to take is put off, at the price of a preemption: a daemon takes it later, and
/// before the task [`settles`]. `touches` names the objects that the step touches, and one of its own for it that whoever
/// waits for such steps touches. As [`choose_paid`] otherwise; of a model that says that it
/// [puts steps off](crate::Model::puts_off) searches leave out what nobody would notice.
#[inline]
#[must_use]
pub fn put_off(touches: Touches<'_>) -> bool {
    match with(|engine| engine.put_off(touches)) {
        None => false,
        Some(Ok(value)) => value,
        Some(Err(me)) => coroutine::leave(me),
    }
}

/// What the task does from here on (or no longer) goes past what it has [put off](put_off): the others see it first.
#[inline]
pub fn goes_past(does: bool) {
    let _ = with(|engine| engine.goes_past(does));
}

/// The step that the task has just taken is one before which all is taken that it has [put off](put_off). That
/// it was a point of its own is the caller's promise.
#[inline]
pub fn settles() {
    let _ = with(Engine::settles);
}

/// A task that waits in [`point_when`] will take this step when it goes on, not the one that it announced.
/// For a wait that ends by being given something to do.
#[inline]
pub fn foretell(task: Task, step: Step) {
    let _ = with(|engine| engine.foretell(task, step));
}

/// Ends the execution with a defect. The task does not unwind: it stops here for ever.
///
/// # Panics
///
/// Outside a run, where there is no execution to end.
pub fn fail(defect: Defect) -> ! {
    match with(|engine| engine.fail(defect)) {
        Some(me) => coroutine::leave(me),
        None => panic!("a defect outside a run: {defect:?}"),
    }
}

/// An identity for an object that has no better one: addresses are numbered in the order in
/// which an execution first meets them. Outside a run the address stands for itself.
#[inline]
#[must_use]
pub fn intern(address: usize) -> Object {
    let number = with(|engine| engine.intern(address));
    Object(INTERNED | number.unwrap_or(address as u64))
}
