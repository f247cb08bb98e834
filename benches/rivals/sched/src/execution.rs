//! Where each task of the execution on this thread is.
//!
//! Shuttle and loom run all threads of an execution on one OS thread, each on a stack of its own. So
//! who runs now is known here and not by thread-locals: a task says so whenever it comes back from a
//! switch. The names are those of `pgmap-sched`'s engine: a task is *ready* at a step until it is *launched*.

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::rc::Rc;

use crate::model::Model;
use crate::step::{Effect, MOST_TASKS, Task};

thread_local! {
    pub(crate) static EXECUTION: Execution = const {
        Execution {
            host: Cell::new(Host::Nobody),
            now: Cell::new(Task(0)),
            tasks: Cell::new(0),
            states: [const { Cell::new(State::Finished) }; MOST_TASKS],
            writes: Cell::new(0),
            seen: [const { Cell::new(0) }; MOST_TASKS],
            wrote: Cell::new(false),
            model: RefCell::new(None),
        }
    };
}

/// Whose execution this thread is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// Outside, where points do nothing.
    Nobody,
    Shuttle,
    Loom,
}

/// What a task is at.
#[derive(Clone, Copy)]
pub(crate) enum State {
    /// Its own code, after a step and before the next.
    Running,
    /// A step that can run.
    Ready,
    /// A step that can run once the condition holds.
    Waiting(Condition),
    /// A busy-wait.
    Relaxing,
    Finished,
}

/// Who may go on.
pub(crate) enum Next {
    /// This one, unasked: it is on its way to its first point, or in the midst of its own code.
    This(Task),
    /// Any of these, as a mask of [`Task::bit`]; never empty.
    Any(u16),
    /// Every task has ended.
    Over,
    /// Nobody can go on, and not all have ended.
    Stuck,
}

pub(crate) struct Execution {
    host: Cell<Host>,
    now: Cell<Task>,
    tasks: Cell<usize>,
    states: [Cell<State>; MOST_TASKS],
    /// Steps so far that wrote.
    writes: Cell<u64>,
    /// How many of them there were at the task's previous turn of a busy-wait, its own left out.
    seen: [Cell<u64>; MOST_TASKS],
    /// The step that ran last wrote.
    wrote: Cell<bool>,
    model: RefCell<Option<Rc<RefCell<dyn Model>>>>,
}

impl Execution {
    /// What the executions from now on are about.
    pub(crate) fn set_model(&self, model: impl Model + 'static) {
        assert!(model.tasks() <= MOST_TASKS, "a model has at most {MOST_TASKS} tasks");
        // Whatever a failed execution left behind.
        self.tasks.set(0);
        self.host.set(Host::Nobody);
        self.model.replace(Some(Rc::new(RefCell::new(model))));
    }

    fn model(&self) -> Rc<RefCell<dyn Model>> {
        self.model.borrow().clone().expect("a model to run")
    }

    /// An execution begins; how many tasks it has.
    pub(crate) fn begin(&self, host: Host) -> usize {
        let model = self.model();
        model.borrow_mut().reset();
        let tasks = model.borrow().tasks();
        self.tasks.set(tasks);
        self.states[..tasks].iter().for_each(|state| state.set(State::Running));
        self.writes.set(0);
        self.seen.iter().for_each(|seen| seen.set(0));
        self.wrote.set(false);
        self.host.set(host);
        tasks
    }

    /// What one task does.
    pub(crate) fn run_task(&self, me: Task) {
        self.now.set(me);
        let model = self.model();
        model.borrow().run(me);
        self.state(me).set(State::Finished);
    }

    /// All tasks have ended.
    ///
    /// # Panics
    ///
    /// If the final state is wrong: that is how shuttle and loom are told.
    pub(crate) fn end(&self) {
        self.host.set(Host::Nobody);
        let finished = self.model().borrow().finish();
        assert!(finished.is_ok(), "found: {finished:?}");
    }

    #[inline]
    pub(crate) fn host(&self) -> Host {
        self.host.get()
    }

    #[inline]
    pub(crate) fn now(&self) -> Task {
        self.now.get()
    }

    #[inline]
    fn state(&self, task: Task) -> &Cell<State> {
        &self.states[usize::from(task.0)]
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = Task> {
        let now = self.now();
        self.all().filter(move |&task| task != now)
    }

    fn all(&self) -> impl Iterator<Item = Task> + use<> {
        (0..self.tasks.get() as u8).map(Task)
    }

    #[inline]
    pub(crate) fn ready(&self, me: Task) {
        self.state(me).set(State::Ready);
    }

    pub(crate) fn wait(&self, me: Task, condition: &dyn Fn() -> bool) {
        self.state(me).set(State::Waiting(Condition::new(condition)));
    }

    pub(crate) fn relax(&self, me: Task) {
        self.state(me).set(State::Relaxing);
    }

    /// The task is back from its switch, and its step runs.
    #[inline]
    pub(crate) fn launch(&self, me: Task, effect: Effect) {
        self.now.set(me);
        if matches!(self.state(me).replace(State::Running), State::Relaxing) {
            self.seen[usize::from(me.0)].set(self.writes.get());
        }
        self.wrote.set(false);
        self.settle(effect);
    }

    /// Counts a write, or counts it no more.
    #[inline]
    pub(crate) fn settle(&self, effect: Effect) {
        let writes = effect == Effect::Write;
        if writes != self.wrote.replace(writes) {
            let seen = &self.seen[usize::from(self.now().0)];
            let by = |count: &Cell<u64>| {
                count.set(if writes { count.get() + 1 } else { count.get() - 1 });
            };
            by(&self.writes);
            by(seen);
        }
    }

    /// Can the task take the step that it stands at?
    pub(crate) fn enabled(&self, task: Task) -> bool {
        match self.state(task).get() {
            State::Ready => true,
            // Points in a condition do nothing.
            State::Waiting(condition) => {
                let host = self.host.replace(Host::Nobody);
                let holds = condition.holds();
                self.host.set(host);
                holds
            }
            State::Relaxing => self.writes.get() > self.seen[usize::from(task.0)].get(),
            State::Running | State::Finished => false,
        }
    }

    /// Does the task stand at a step that waits for something?
    pub(crate) fn waits(&self, task: Task) -> bool {
        matches!(self.state(task).get(), State::Waiting(_))
    }

    /// Who may go on: first each task up to its first point, in ascending order; then those that can.
    pub(crate) fn next(&self) -> Next {
        let at = |task: &Task| self.state(*task).get();
        if let Some(task) = self.all().find(|task| matches!(at(task), State::Running)) {
            return Next::This(task);
        }
        match self.all().filter(|&task| self.enabled(task)).fold(0, |mask, task| mask | task.bit())
        {
            0 if self.all().all(|task| matches!(at(&task), State::Finished)) => Next::Over,
            0 => Next::Stuck,
            mask => Next::Any(mask),
        }
    }
}

/// What a waiting task has lent to the execution. It is asked only while the task stands at its step,
/// suspended in the call that lent it.
#[derive(Clone, Copy)]
pub(crate) struct Condition(NonNull<dyn Fn() -> bool>);

impl Condition {
    fn new(condition: &dyn Fn() -> bool) -> Self {
        let lent: NonNull<dyn Fn() -> bool + '_> = NonNull::from(condition);
        // SAFETY: only the lifetime changes; `holds` says why it is not outlived.
        Self(unsafe {
            core::mem::transmute::<NonNull<dyn Fn() -> bool + '_>, NonNull<dyn Fn() -> bool>>(lent)
        })
    }

    fn holds(&self) -> bool {
        // SAFETY: a state that holds a condition is replaced when its task is launched, before the call
        // that lent it returns. An execution that is given up is the last that its model has, and `set_model`
        // forgets its tasks before their stacks are used for another.
        unsafe { self.0.as_ref()() }
    }
}
