//! Tasks as coroutines: stacks that are used again, the switch, and what happens to a panic.
//!
//! A task's stack is a mapping with a guard page; stacks are kept for the life of their
//! [`Crew`]. A task that is suspended when its execution ends is *abandoned*: its stack pointer
//! is forgotten, nothing on the stack is dropped, and the stack serves again at once.
//!
//! No panic crosses a switch: it is caught where the task began, and a hook keeps it from
//! standard error while this thread is inside an execution.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::model::Model;
use crate::step::{MOST_TASKS, Task};

type Fiber = Coroutine<(), (), Result<(), String>, DefaultStack>;
type Way = *const Yielder<(), ()>;

thread_local! {
    /// How each task of the execution on this thread goes back to the scheduler.
    static WAYS: [Cell<Way>; MOST_TASKS] = const { [const { Cell::new(ptr::null()) }; MOST_TASKS] };
    /// Inside an execution, where panics are results.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Where the last quiet panic happened.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A stack's size is a multiple of this, so that it is one of pages everywhere.
const LARGEST_PAGE: usize = 64 << 10;

/// What a task did with its turn.
pub(crate) enum Rest {
    Suspended,
    Returned,
    Panicked(String),
}

/// The tasks of one execution at a time, and the stacks for them.
pub(crate) struct Crew {
    stack_size: usize,
    idle: Vec<DefaultStack>,
    fibers: Vec<Fiber>,
    made: usize,
}

impl Crew {
    pub(crate) fn new(stack_size: usize) -> Self {
        let stack_size = stack_size.max(1).next_multiple_of(LARGEST_PAGE);
        Crew { stack_size, idle: Vec::new(), fibers: Vec::new(), made: 0 }
    }

    /// How many stacks have ever been made.
    pub(crate) fn stacks(&self) -> usize {
        self.made
    }

    /// Puts `tasks` tasks on the start line, lets `act` direct them, and abandons those that have
    /// not ended by then.
    pub(crate) fn perform<M: Model, R>(
        &mut self,
        model: &M,
        tasks: usize,
        act: impl FnOnce(&mut Crew) -> R,
    ) -> io::Result<R> {
        let stage = Stage(self);
        for id in 0..tasks {
            let stack = stage.0.stack()?;
            let model = ptr::from_ref(model);
            let body = move |way: &Yielder<(), ()>, ()| {
                WAYS.with(|ways| ways[id].set(way));
                // SAFETY: the stage is cleared before the borrow of the model in `perform` ends,
                // also on unwinding, and a fiber runs only while the stage stands.
                let model = unsafe { &*model };
                let task = Task(id as u8);
                panic::catch_unwind(AssertUnwindSafe(|| model.run(task))).map_err(message)
            };
            // SAFETY: what the body borrows it borrows on the terms above.
            stage.0.fibers.push(unsafe { Fiber::with_stack_unchecked(stack, body) });
        }
        Ok(act(stage.0))
    }

    fn stack(&mut self) -> io::Result<DefaultStack> {
        match self.idle.pop() {
            Some(stack) => Ok(stack),
            None => {
                self.made += 1;
                DefaultStack::new(self.stack_size)
            }
        }
    }

    /// Lets a task run until it suspends itself or ends.
    pub(crate) fn resume(&mut self, task: Task) -> Rest {
        match self.fibers[usize::from(task.0)].resume(()) {
            CoroutineResult::Yield(()) => Rest::Suspended,
            CoroutineResult::Return(Ok(())) => Rest::Returned,
            CoroutineResult::Return(Err(message)) => Rest::Panicked(message),
        }
    }

    /// Takes all stacks back, whatever lies on them.
    fn abandon(&mut self) {
        while let Some(mut fiber) = self.fibers.pop() {
            if !fiber.done() {
                // SAFETY: by the contract of `Model`, what lies on the stack needs no drop, and
                // the engine forgets what the task lent it before it runs another.
                unsafe { fiber.force_reset() };
            }
            self.idle.push(fiber.into_stack());
        }
    }

    /// The deepest that any idle stack has ever been used, in bytes. Fresh stacks are zero, so
    /// the first byte from the far end that is not marks the depth.
    pub(crate) fn high_water(&self) -> usize {
        self.idle.iter().map(|stack| self.depth(stack)).max().unwrap_or(0)
    }

    fn depth(&self, stack: &DefaultStack) -> usize {
        const WORD: usize = size_of::<u64>();
        // What the mapping has beyond the size is its guard, at the far end.
        let far = stack.base().get() - self.stack_size;
        let untouched = (far..stack.base().get()).step_by(WORD).take_while(|&at| {
            // SAFETY: the word lies inside the stack's mapping, above the guard; the stack is
            // idle, so nobody writes it.
            unsafe { ptr::with_exposed_provenance::<u64>(at).read_volatile() == 0 }
        });
        self.stack_size - untouched.count() * WORD
    }
}

/// The time in which a crew's fibers may run.
struct Stage<'a>(&'a mut Crew);

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Goes back to the scheduler from inside a task; returns when the task is resumed.
#[inline]
pub(crate) fn suspend(me: Task) {
    let way = WAYS.with(|ways| ways[usize::from(me.0)].get());
    // SAFETY: `me` is the task that calls, it has set its way at its start, and the yielder lives
    // at the bottom of the very stack that this call runs on.
    unsafe { (*way).suspend(()) };
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
