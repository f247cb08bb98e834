//! Looks at rounds that stand still where a test wants them to.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;

use pgmap_mm::warn::{Complaint, warn_on};
use pgmap_prim::{
    AtomicU32, Cpu, Guarded, Lease, LockClass, PlainData, Poison, RwSem, Sleep, TaskState,
    WaitClass, Waiting, bit_lock, catch_abandon, plain, wait_event_exclusive, wait_var_event,
    wake_up_var,
};
use pgmap_program::Rules;
use pgmap_program::op::call_number;

use super::*;

static EVENT: WaitClass = WaitClass::event("an event");
static BIT: LockClass = LockClass::new("a bit", 7);
const WAITING: Waiting = Waiting { class: &EVENT, object: 7, owner: 0 };
const DEEP: Sleep = Sleep::Uninterruptible;

plain! {
    #[derive(Clone, Copy, Debug)]
    struct Nothing;
}
impl Guarded for Nothing {
    const CLASS: LockClass = LockClass::new("some lock", 1);
}

/// A round that the test plays itself.
struct Fixture {
    threaded: ThreadedWorld,
    shared: Shared,
    gate: Gate,
    paces: Vec<Pace>,
}

impl Fixture {
    fn of(workers: u16, era: Era, rules: Rules) -> Self {
        let shared = Shared::of_nobody(workers, era, rules);
        let threaded = ThreadedWorld::new(&shared.config.geometry, rules).expect("a world");
        let paces = (0..workers).map(|_| Pace::default()).collect();
        Self { threaded, shared, gate: Gate::default(), paces }
    }

    fn sound(workers: u16) -> Self {
        Self::of(workers, Era::V6_15Sound, Era::V6_15Sound.rules())
    }

    fn floor(&self) -> Floor<'_> {
        Floor {
            shared: &self.shared,
            threaded: &self.threaded,
            gate: &self.gate,
            paces: &self.paces,
        }
    }

    fn cpu(&self, worker: u8) -> Cpu<'_> {
        let task = TaskId(Party::task(WorkerId(worker), call_number("punch")));
        self.threaded
            .machine()
            .lease_at(usize::from(worker) + 1, Lease::of(task))
            .expect("a free CPU")
    }

    fn until_asleep(&self, worker: u8) {
        let task = TaskId(Party::task(WorkerId(worker), call_number("punch")));
        while !matches!(self.threaded.machine().task_state(task), TaskState::Asleep(_)) {
            std::thread::yield_now();
        }
    }

    /// One look, and the known races that it told.
    fn look(&self) -> (Verdict, Vec<Found>) {
        let mut known = Vec::new();
        let verdict = Watch::new(self.floor()).look_closely(|found| known.push(found), 0);
        (verdict, known)
    }

    fn end(&self) {
        self.threaded.machine().poison(Poison::Requested("the test is over".to_owned()));
    }
}

/// Lets one task sleep by `wait`, makes true what it waits for without waking it, and looks.
fn forget_to_wake(wait: impl Fn(&Cpu<'_>, &AtomicU32) + Sync) -> Hang {
    let fixture = Fixture::sound(2);
    let word = AtomicU32::new(1);
    std::thread::scope(|scope| {
        scope.spawn(|| catch_abandon(|| wait(&fixture.cpu(0), &word)));
        fixture.until_asleep(0);
        scope.spawn(|| {
            while {
                fixture.gate.pass();
                fixture.gate.outside().gone == 0
            } {}
        });
        word.set(0);
        let (verdict, known) = fixture.look();
        assert!(known.is_empty());
        fixture.gate.leave();
        fixture.end();
        match verdict {
            Verdict::Hung(stuck) => stuck.report,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn a_forgotten_wake_up_is_found_whatever_was_waited_for() {
    let zero = |word: &AtomicU32| word.read_acquire() == 0;
    let told = |hang: Hang, class: &str| {
        assert_eq!(hang.kind, HangKind::LostWakeUp, "{hang:?}");
        assert_eq!(hang.sleeper.map(|who| who.to_string()).as_deref(), Some("w0 punch"));
        assert_eq!(hang.waiters[0].class.name, class, "{hang:?}");
    };
    told(
        forget_to_wake(|cpu, w| {
            let _ = wait_var_event(cpu, w, DEEP, WAITING, || zero(w));
        }),
        "an event",
    );
    // What is waited for is taken by looking.
    let take = |w: &AtomicU32| w.cmpxchg(0, 1).is_ok();
    told(
        forget_to_wake(|cpu, w| {
            let _ = wait_event_exclusive(cpu, w, DEEP, WAITING, || take(w));
        }),
        "an event",
    );
    told(forget_to_wake(|cpu, w| bit_lock(cpu, w, 0, &BIT)), "a bit");
}

#[test]
fn a_waker_between_its_store_and_its_wake_up_is_waited_for_and_nobody_is_accused() {
    let fixture = Fixture::sound(2);
    let word = AtomicU32::new(0);
    let (stored, go_on) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            {
                let cpu = fixture.cpu(0);
                wait_var_event(&cpu, &word, DEEP, WAITING, || word.read_acquire() == 1)
                    .expect("deep");
            }
            fixture.gate.leave();
        });
        fixture.until_asleep(0);
        scope.spawn(|| {
            {
                let cpu = fixture.cpu(1);
                word.inc_return();
                stored.wait();
                go_on.wait();
                wake_up_var(&cpu, &word);
            }
            fixture.gate.leave();
        });
        stored.wait();
        let outside = fixture.gate.outside();
        assert!(!fixture.floor().at_rest(outside), "the waker runs");
        let looks = scope.spawn(|| fixture.look());
        go_on.wait();
        let (verdict, known) = looks.join().expect("no panic");
        assert!(matches!(verdict, Verdict::Fine) && known.is_empty(), "{verdict:?}");
    });
}

#[test]
fn a_thread_that_was_woken_and_starves_is_neither_listed_nor_accused() {
    let fixture = Fixture::sound(1);
    let word = AtomicU32::new(0);
    let (tell, told) = mpsc::channel();
    let (resume, resumed) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (fixture, word) = (&fixture, &word);
        scope.spawn(move || {
            {
                let cpu = fixture.cpu(0);
                let cond = || {
                    let holds = word.read_acquire() == 1;
                    if holds {
                        // The scheduler takes the core away here.
                        tell.send(()).expect("the test goes on");
                        resumed.recv().expect("the test goes on");
                    }
                    holds
                };
                wait_var_event(&cpu, word, DEEP, WAITING, cond).expect("deep");
            }
            fixture.gate.leave();
        });
        fixture.until_asleep(0);
        {
            // The monitor's own CPU: the round has one worker.
            let waker =
                fixture.threaded.machine().lease_at(0, Lease::of(TaskId(0))).expect("a free CPU");
            word.inc_return();
            wake_up_var(&waker, word);
        }
        told.recv().expect("it was woken");
        assert_eq!(fixture.threaded.machine().waiters(), []);
        assert!(!fixture.floor().at_rest(fixture.gate.outside()));
        let looks = scope.spawn(move || fixture.look());
        resume.send(()).expect("it starves");
        let (verdict, known) = looks.join().expect("no panic");
        assert!(matches!(verdict, Verdict::Fine) && known.is_empty(), "{verdict:?}");
    });
}

#[test]
fn who_waits_for_somebody_at_the_gate_is_let_be_and_a_ring_is_told_once_all_others_are_gone() {
    let fixture = Fixture::sound(3);
    let locks = [RwSem::new(Nothing::zeroed()), RwSem::new(Nothing::zeroed())];
    let both = Barrier::new(2);
    let leave = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cross = |worker: u8| {
            let _ = catch_abandon(|| {
                let cpu = fixture.cpu(worker);
                let mine = usize::from(worker);
                let _held = locks[mine].write(&cpu);
                both.wait();
                drop(locks[1 - mine].write(&cpu));
            });
        };
        scope.spawn(move || cross(0));
        scope.spawn(move || cross(1));
        fixture.until_asleep(0);
        fixture.until_asleep(1);
        // The third goes round between actions, then leaves.
        let third = scope.spawn(|| {
            while !leave.load(Relaxed) {
                fixture.gate.pass();
            }
            fixture.gate.leave();
        });
        let (verdict, _) = fixture.look();
        assert!(matches!(verdict, Verdict::Fine), "{verdict:?}");
        leave.store(true, Relaxed);
        third.join().expect("no panic");
        let (verdict, known) = fixture.look();
        fixture.end();
        let Verdict::Hung(stuck) = verdict else { panic!("{verdict:?}") };
        assert!(known.is_empty());
        assert_eq!(stuck.report.kind, HangKind::Deadlock);
        assert_eq!(stuck.report.ring, [0, 1, 0].map(WorkerId));
        let told = stuck.report.waiters[0].to_string();
        assert!(told.contains("for some lock"), "{told}");
    });
}

#[test]
fn a_call_that_never_sleeps_is_no_verdict_and_one_that_starves_is_not_even_that() {
    let mut fixture = Fixture::sound(2);
    fixture.shared.config.watchdog = Duration::from_millis(2);
    let stop = AtomicBool::new(false);
    let (tell, told) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (fixture, stop) = (&fixture, &stop);
        // Starves: it used what it took to start, and waits for a core that it does not get.
        scope.spawn(move || {
            fixture.paces[0].start();
            fixture.paces[0].begin();
            let _ = told.recv();
        });
        scope.spawn(move || {
            fixture.paces[1].start();
            fixture.paces[1].begin();
            while !stop.load(Relaxed) {}
        });
        let mut watch = Watch::new(fixture.floor());
        let words = loop {
            if let Verdict::Endless(words) = watch.look(|_| (), 0) {
                break words;
            }
        };
        stop.store(true, Relaxed);
        drop(tell);
        assert!(words.starts_with("w1 has used"), "{words}");
    });
}

/// What a truncate notices when munmap has a huge entry in its hands is B53, although by the time that anybody asks who
/// holds the page munmap is over; what nobody did meanwhile that B53 needs is news.
#[test]
fn a_race_is_known_by_who_was_in_the_middle_of_a_call_when_it_was_noticed() {
    let fixture = Fixture::of(2, Era::V6_15, Era::V6_15.rules());
    let known = |meanwhile: &str| {
        let task = TaskId(Party::task(WorkerId(1), call_number(meanwhile)));
        let beside = fixture.threaded.machine().lease_at(2, Lease::of(task)).expect("a free CPU");
        let cpu = fixture.cpu(0);
        warn_on(&cpu, Complaint::BusyReset, Pfn(1), 1);
        drop((cpu, beside));
        let violations = fixture.threaded.violations().expect("nobody holds a lock");
        fixture.threaded.machine().clear_warnings();
        let [violation] = &violations[..] else { panic!("{violations:?}") };
        let parties = Parties(violation.parties.iter().copied().map(FoundParty::Side).collect());
        let told: Vec<String> = parties.0.iter().map(ToString::to_string).collect();
        assert_eq!(told.last(), Some(&format!("meanwhile w1 {meanwhile}")));
        super::known(Era::V6_15, &Era::V6_15.rules(), violation.invariant, &parties)
    };
    assert_eq!(known("munmap"), Some("B53"));
    assert_eq!(known("mremap"), Some("B61"));
    assert_eq!(known("pin"), None);
}
