//! Panics inside executions are results and reach no hook; all others reach the hook that was
//! there before. Alone in its file: the hook belongs to the whole process.

mod toy;

use std::panic;
use std::sync::Mutex;
use std::thread;

use pgmap_sched::{Failure, Outcome};
use toy::{Memory, Toy, brute, search};

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn heard() -> Vec<String> {
    HEARD.lock().expect("no panic under the lock").clone()
}

#[test]
fn only_panics_outside_executions_are_heard() {
    panic::set_hook(Box::new(|info| {
        let text = info.payload().downcast_ref::<&str>().copied().unwrap_or_default();
        HEARD.lock().expect("no panic under the lock").push(text.to_owned());
    }));
    let mut toy = Toy::new().task(|memory: &Memory| {
        memory.add(0, 1);
        // Another thread is not inside the execution.
        let _ = thread::spawn(|| panic!("another thread")).join();
        panic!("in a task");
    });
    let outcome = search(&mut toy, &brute(Some(0)));
    let Outcome::Found { failure: Failure::Panic { message, .. }, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(message.starts_with("in a task"), "{message}");
    // Once found, once for the schedule.
    assert_eq!(heard(), vec!["another thread"; 2]);
    let _ = thread::spawn(|| panic!("after it")).join();
    let _ = panic::catch_unwind(|| panic!("on this thread"));
    assert_eq!(heard()[2..], ["after it", "on this thread"]);
}
