//! Tasks as coroutines: stacks that are used again, the switch, and what happens to a panic.
//!
//! A task's stack is a mapping with a guard page; stacks are kept for the life of their
//! [`Coroutines`]. So are the coroutines on them: one whose body has returned is *idle*: it waits at
//! the bottom of its stack for the body of the next execution. A task that is suspended when its
//! execution ends is *abandoned*: its stack pointer is forgotten, nothing on the stack is dropped,
//! and a new coroutine begins on the stack at once.
//!
//! No panic crosses a switch: it is caught where the task began, and a hook keeps it from
//! standard error while this thread is inside an execution.

use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};
use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::model::Model;
use crate::step::{MOST_TASKS, Task};

/// What all tasks of an execution do, by the task.
type Body = NonNull<dyn Fn(Task)>;
/// A coroutine takes the body each time it is resumed, but looks at it only when it is idle.
type TaskCoroutine = Coroutine<Body, Yielded, (), DefaultStack>;
type TaskYielder = *const Yielder<Body, Yielded>;

thread_local! {
    /// How each task of the execution on this thread goes back to the scheduler.
    static YIELDERS: [Cell<TaskYielder>; MOST_TASKS] = const { [const { Cell::new(ptr::null()) }; MOST_TASKS] };
    /// Inside an execution, where panics are results.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Where the last quiet panic happened.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
    /// What the last task that panicked said.
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
    /// Where the task that last showed itself did so on its stack.
    static SHOWN: Cell<usize> = const { Cell::new(0) };
}

/// How far below the frame of [`show`] its stack is looked at: more than the switch uses.
const BELOW: usize = 1536;
/// So many words at the far end of that are still zero, or the switch has used more than is looked at.
const UNUSED: usize = 16;

/// A stack's size is a multiple of this, so that it is one of pages everywhere.
const LARGEST_PAGE: usize = 64 << 10;

/// How a task came back to the scheduler. One byte, so that it crosses a switch in a register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Yielded {
    Suspended,
    Returned,
    /// What it said is in [`panic_message`].
    Panicked,
}

/// The coroutine of one task.
struct OnStack {
    /// Always there but while it is made anew.
    coroutine: Option<TaskCoroutine>,
    /// Where its stack begins; it grows down from here.
    base: usize,
    /// Waits for a body; else it is in the midst of one.
    idle: bool,
}

/// The tasks of one execution at a time, and the stacks for them: one for each task of the widest model so far.
pub(crate) struct Coroutines {
    stack_size: usize,
    stacks: Vec<OnStack>,
    body: Option<Body>,
}

impl Coroutines {
    pub(crate) fn new(stack_size: usize) -> Self {
        let stack_size = stack_size.max(1).next_multiple_of(LARGEST_PAGE);
        Coroutines { stack_size, stacks: Vec::new(), body: None }
    }

    /// How many stacks have ever been made.
    pub(crate) fn stacks(&self) -> usize {
        self.stacks.len()
    }

    /// Gets `tasks` tasks ready, lets `schedule` resume them, and abandons those that have
    /// not ended by then.
    pub(crate) fn run<M: Model, R>(
        &mut self,
        model: &M,
        tasks: usize,
        schedule: impl FnOnce(&mut Coroutines) -> R,
    ) -> io::Result<R> {
        while self.stacks.len() < tasks {
            let stack = DefaultStack::new(self.stack_size)?;
            let (id, base) = (self.stacks.len() as u8, stack.base().get());
            let coroutine = Some(coroutine(Task(id), stack));
            self.stacks.push(OnStack { coroutine, base, idle: true });
        }
        let body = |task| model.run(task);
        let body: NonNull<dyn Fn(Task) + '_> = NonNull::from(&body);
        let execution = Execution(self);
        // SAFETY: only the lifetime changes; the body is taken back before the borrow of the model
        // ends, also on unwinding, and no coroutine is resumed without it.
        execution.0.body = Some(unsafe {
            core::mem::transmute::<NonNull<dyn Fn(Task) + '_>, NonNull<dyn Fn(Task)>>(body)
        });
        Ok(schedule(execution.0))
    }

    /// Lets a task run until it suspends itself or ends. Without a body nobody moves.
    pub(crate) fn resume(&mut self, task: Task) -> Yielded {
        let stack = &mut self.stacks[usize::from(task.0)];
        let (Some(body), Some(coroutine)) = (self.body, &mut stack.coroutine) else {
            return Yielded::Suspended;
        };
        match coroutine.resume(body) {
            CoroutineResult::Yield(yielded) => {
                stack.idle = yielded != Yielded::Suspended;
                yielded
            }
            CoroutineResult::Return(()) => Yielded::Returned,
        }
    }

    /// The used part of the stack of a task that has just suspended itself by [`show`]: all that it knows
    /// by itself, for its registers are there too. None if that cannot be told.
    pub(crate) fn shown(&self, task: Task) -> Option<impl Iterator<Item = u64>> {
        let base = self.stacks[usize::from(task.0)].base;
        let from = SHOWN.get().checked_sub(BELOW)?;
        if from < base - self.stack_size || from >= base {
            return None;
        }
        let mut words = (from..base).step_by(size_of::<u64>()).map(|at| {
            // SAFETY: the word lies inside the stack's mapping, above the guard; the task that is on the
            // stack is suspended, so nobody writes the word.
            unsafe { ptr::with_exposed_provenance::<u64>(at).read_volatile() }
        });
        let unused = words.by_ref().take(UNUSED).all(|word| word == 0);
        unused.then_some(words)
    }

    /// Whether that part is the same as before.
    pub(crate) fn shows(&self, task: Task, before: &[u64]) -> bool {
        self.shown(task).is_some_and(|now| now.eq(before.iter().copied()))
    }

    /// Makes everybody idle; those who are in the midst of something forget it.
    fn abandon(&mut self) {
        self.body = None;
        for (id, stack) in (0..).zip(&mut self.stacks) {
            if !stack.idle {
                stack.again(Task(id));
            }
        }
    }

    /// The deepest that any stack has ever been used, in bytes. Fresh stacks are zero, so the first
    /// byte from the far end that is not marks the depth.
    pub(crate) fn high_water(&self) -> usize {
        self.stacks.iter().map(|stack| self.depth(stack.base)).max().unwrap_or(0)
    }

    fn depth(&self, base: usize) -> usize {
        const WORD: usize = size_of::<u64>();
        // What the mapping has beyond the size is its guard, at the far end.
        let untouched = (base - self.stack_size..base).step_by(WORD).take_while(|&at| {
            // SAFETY: the word lies inside the stack's mapping, above the guard; nobody is on the
            // stack beyond its bottom frame, so nobody writes the word.
            unsafe { ptr::with_exposed_provenance::<u64>(at).read_volatile() == 0 }
        });
        self.stack_size - untouched.count() * WORD
    }
}

impl Drop for Coroutines {
    fn drop(&mut self) {
        for stack in &mut self.stacks {
            let _ = stack.take();
        }
    }
}

impl OnStack {
    /// Takes the stack from the coroutine, whatever that is at.
    fn take(&mut self) -> Option<DefaultStack> {
        let mut coroutine = self.coroutine.take()?;
        // SAFETY: by the contract of `Model`, what lies on the stack needs no drop, and the engine
        // forgets what the task lent it before it runs another.
        unsafe { coroutine.force_reset() };
        Some(coroutine.into_stack())
    }

    /// Begins anew on the same stack.
    fn again(&mut self, task: Task) {
        self.coroutine = self.take().map(|stack| coroutine(task, stack));
        self.idle = true;
    }
}

/// A new coroutine, idle.
fn coroutine(me: Task, stack: DefaultStack) -> TaskCoroutine {
    TaskCoroutine::with_stack(stack, move |yielder, mut body| {
        loop {
            YIELDERS.with(|yielders| yielders[usize::from(me.0)].set(yielder));
            // SAFETY: whoever resumes an idle coroutine hands it the body of the present execution.
            let run = unsafe { body.as_ref() };
            let yielded = match panic::catch_unwind(AssertUnwindSafe(|| run(me))) {
                Ok(()) => Yielded::Returned,
                Err(payload) => {
                    MESSAGE.set(message(payload));
                    Yielded::Panicked
                }
            };
            body = yielder.suspend(yielded);
        }
    })
}

/// The time in which coroutines may run.
struct Execution<'a>(&'a mut Coroutines);

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What the last task that panicked said.
pub(crate) fn panic_message() -> String {
    MESSAGE.take()
}

/// Goes back to the scheduler from inside a task; returns when the task is resumed.
#[inline]
pub(crate) fn suspend(me: Task) {
    let yielder = YIELDERS.with(|yielders| yielders[usize::from(me.0)].get());
    // SAFETY: `me` is the task that calls, it has set its yielder at its start, and that lives
    // at the bottom of the very stack that this call runs on.
    let _ = unsafe { (*yielder).suspend(Yielded::Suspended) };
}

/// As [`suspend`], with nothing below the task's own frames that earlier calls left there, so that equal states
/// of the task are equal on its stack.
#[inline(never)]
pub(crate) fn show(me: Task) {
    let mark = 0u64;
    let here = ptr::from_ref(core::hint::black_box(&mark)).expose_provenance();
    SHOWN.set(here & !(size_of::<u64>() - 1));
    wipe();
    suspend(me);
}

/// Writes zeros where the switch is about to use the stack, and further down than is looked at.
#[inline(never)]
fn wipe() {
    core::hint::black_box([0u64; 4 * BELOW / 3 / size_of::<u64>()]);
}

/// Goes back to the scheduler for good.
pub(crate) fn leave(me: Task) -> ! {
    loop {
        suspend(me);
    }
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    let place = PLACE.take();
    if place.is_empty() { text } else { format!("{text} ({place})") }
}

/// Panics of this thread are results, not output, while the value lives.
pub(crate) struct Quiet(bool);

impl Quiet {
    pub(crate) fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if QUIET.get() {
                    PLACE.set(info.location().map(ToString::to_string).unwrap_or_default());
                } else {
                    before(info);
                }
            }));
        });
        Quiet(QUIET.replace(true))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(self.0);
    }
}

/// Runs the model's own code outside tasks; a panic becomes its message.
pub(crate) fn guarded<R>(act: impl FnOnce() -> R) -> Result<R, String> {
    panic::catch_unwind(AssertUnwindSafe(act)).map_err(message)
}
