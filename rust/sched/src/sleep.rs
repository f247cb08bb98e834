//! What a task that waits lends to the engine: whether it can go on, and who could end its wait.

use core::ptr::NonNull;

use crate::entered::Entered;
use crate::step::{Looks, Task, Wait, WaitClass};

/// What a waiting task has lent to the engine. It is used only while the task is suspended in
/// [`point_when`](crate::point_when): the engine forgets it when it lets the task go on, and before every execution.
#[derive(Clone, Copy)]
pub(crate) struct Sleep {
    pub(crate) class: WaitClass,
    pub(crate) object: u64,
    pub(crate) looks: Looks,
    owner: NonNull<dyn Fn() -> Option<Task>>,
    ready: NonNull<dyn Fn() -> bool>,
}

impl Sleep {
    pub(crate) fn new(wait: Wait<'_>, ready: &dyn Fn() -> bool) -> Self {
        let owner: NonNull<dyn Fn() -> Option<Task> + '_> = NonNull::from(wait.owner);
        let ready: NonNull<dyn Fn() -> bool + '_> = NonNull::from(ready);
        Sleep {
            class: wait.class,
            object: wait.object,
            looks: wait.looks,
            // SAFETY: only the lifetime changes; `Sleep` is used while the lender is suspended.
            owner: unsafe {
                core::mem::transmute::<
                    NonNull<dyn Fn() -> Option<Task> + '_>,
                    NonNull<dyn Fn() -> Option<Task>>,
                >(owner)
            },
            // SAFETY: as above.
            ready: unsafe {
                core::mem::transmute::<NonNull<dyn Fn() -> bool + '_>, NonNull<dyn Fn() -> bool>>(
                    ready,
                )
            },
        }
    }

    pub(crate) fn ready(&self) -> bool {
        let _nothing = Entered::nothing();
        // SAFETY: the lender is suspended in `point_when`, so the closure is alive; it cannot
        // reach the engine, which is hidden for the moment.
        unsafe { self.ready.as_ref()() }
    }

    pub(crate) fn owner(&self) -> Option<Task> {
        let _nothing = Entered::nothing();
        // SAFETY: as in `ready`.
        unsafe { self.owner.as_ref()() }
    }
}
