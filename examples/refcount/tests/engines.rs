//! The example keeps what it promises on every engine.

use pgmap_example_refcount::{explored, native, weak};

macro_rules! asks_everything {
    ($engine:ident, $promise:ident => $keeps:expr) => {
        struct Kept(u32);
        impl $engine::schemes::promise::Ask for Kept {
            fn ask<P: $engine::schemes::promise::Promise>(&mut self, $promise: P) {
                $keeps;
                self.0 += 1;
            }
        }
        let mut kept = Kept(0);
        $engine::schemes::promise::each_of::<$engine::scheme::Doubled>(&mut kept);
        assert_eq!(kept.0, 4);
    };
}

#[test]
fn on_threads() {
    use native::scheme::Doubled;
    asks_everything!(native, promise => {
        assert_eq!(native::schemes::threads::run::<Doubled, _>(promise, 200), Ok(()));
    });
}

#[test]
fn under_the_explorer() {
    use explored::scheme::Doubled;
    use explored::schemes::search::{Verdict, keeps};
    asks_everything!(explored, promise => {
        let verdict = keeps::<Doubled, _>(promise, 2);
        assert!(matches!(verdict, Verdict::Kept { .. }), "{verdict:?}");
    });
}

#[test]
fn under_loom() {
    use weak::prim::model::Verdict;
    use weak::scheme::Doubled;
    use weak::schemes::promise::{Destroys, NextLife, Promise};
    // A next life is a store over an addition, which loom cannot judge.
    const STORED_OVER: NextLife = NextLife { destroys: Destroys::AsThePageSays };
    asks_everything!(weak, promise => {
        let verdict = weak::schemes::keeps::<Doubled, _>(promise, 1);
        let held = matches!(verdict, Verdict::Held { .. });
        assert!(held || promise.name() == STORED_OVER.name(), "{verdict:?}");
    });
}
