//! The statements that hold of every face of `prim`, on the weak one: those about atomics, which is what
//! this face is for. Its own are in the other tests.
#![forbid(unsafe_code)]

use pgmap_prim_weak as prim;

#[path = "../../../prim/tests/face/statements/atomics.rs"]
mod atomics;

use model::{breaks, holds, words};

mod model {
    //! Runs a model under loom.

    use std::sync::{Mutex, PoisonError};

    use crate::prim::model::{Model, Verdict, explore};
    use crate::prim::{AtomicU32, Cpu};

    pub(crate) fn words<const N: usize>() -> [AtomicU32; N] {
        std::array::from_fn(|_| AtomicU32::new(0))
    }

    struct Tasks<const N: u32, Start, Run, Check> {
        start: Start,
        run: Run,
        check: Check,
    }

    impl<const N: u32, S, Start, Run, Check> Model for Tasks<N, Start, Run, Check>
    where
        S: Send + Sync + 'static,
        Start: Fn() -> S + Send + Sync + 'static,
        Run: Fn(&S, &Cpu<'_>, u32) + Send + Sync + 'static,
        Check: Fn(&S) + Send + Sync + 'static,
    {
        type State = S;
        const TASKS: u32 = N;

        fn start(&self, _: &Cpu<'_>) -> S {
            (self.start)()
        }

        fn run(&self, state: &S, cpu: &Cpu<'_>, task: u32) {
            (self.run)(state, cpu, task);
        }

        fn finish(&self, state: &S, _: &Cpu<'_>) {
            (self.check)(state);
        }
    }

    fn search<S: Send + Sync + 'static>(
        tasks: u32,
        start: impl Fn() -> S + Send + Sync + 'static,
        run: impl Fn(&S, &Cpu<'_>, u32) + Send + Sync + 'static,
        check: impl Fn(&S) + Send + Sync + 'static,
    ) -> Verdict {
        match tasks {
            2 => explore(Tasks::<2, _, _, _> { start, run, check }, None),
            3 => explore(Tasks::<3, _, _, _> { start, run, check }, None),
            more => panic!("{more} tasks"),
        }
    }

    pub(crate) fn holds<S: Send + Sync + 'static>(
        tasks: u32,
        start: impl Fn() -> S + Send + Sync + 'static,
        run: impl Fn(&S, &Cpu<'_>, u32) + Send + Sync + 'static,
        check: impl Fn(&S) + Send + Sync + 'static,
    ) {
        let verdict = search(tasks, start, run, check);
        assert!(matches!(verdict, Verdict::Held { .. }), "{verdict:?}");
    }

    /// What is found here is always a panic.
    pub(crate) fn breaks<S: Send + Sync + 'static>(
        how: &str,
        tasks: u32,
        start: impl Fn() -> S + Send + Sync + 'static,
        run: impl Fn(&S, &Cpu<'_>, u32) + Send + Sync + 'static,
        check: impl Fn(&S) + Send + Sync + 'static,
    ) {
        assert_eq!(how, "Panic");
        let verdict = search(tasks, start, run, check);
        assert!(matches!(verdict, Verdict::Broke { .. }), "{verdict:?}");
    }

    /// Runs what nobody else takes part in: in the only task of a model that has one.
    pub(crate) fn alone(body: impl FnOnce() + Send + 'static) {
        struct Once<F>(Mutex<Option<F>>);

        impl<F: FnOnce() + Send + 'static> Model for Once<F> {
            type State = ();
            const TASKS: u32 = 1;

            fn start(&self, _: &Cpu<'_>) {}

            fn run(&self, (): &(), _: &Cpu<'_>, _: u32) {
                let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                body.expect("one execution")();
            }

            fn finish(&self, (): &(), _: &Cpu<'_>) {}
        }

        let verdict = explore(Once(Mutex::new(Some(body))), None);
        assert_eq!(verdict, Verdict::Held { executions: 1 });
    }
}
