//! What store buffers and TLBs that load ahead show, and what they do not.

mod failing;

use failing::{find, scenario};
use pgmap_explore::catalogue::{CATALOGUE, Known};
use pgmap_explore::{
    Ends, Outcome, Scenario, ScenarioError, ShrinkBudget, Token, Verdict, explore, replay, report,
    shrink,
};
use pgmap_program::{Era, Invariant, Memory, Program, TlbRefill};
use pgmap_sched::{Control, Plan};

fn search(scenario: &Scenario, bound: u32) -> Verdict {
    let plan = Plan { bound: Some(bound), ..Plan::default() };
    explore(scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario")
}

#[track_caller]
fn exhausted(scenario: &Scenario, bound: u32) {
    let verdict = search(scenario, bound);
    let silent = matches!(verdict, Verdict::Exhausted { .. });
    assert!(silent, "{} {:?}\n{}{verdict:?}", scenario.memory, scenario.tlb, scenario.program);
}

/// A clear that may be seen late.
fn late_clear() -> Scenario {
    let known = Known::find("zap-clear", "load-store").expect("in the catalogue");
    known.wrong()
}

#[test]
fn a_clear_that_is_a_plain_store_is_wrong_on_x86_and_right_in_one_order() {
    let late = late_clear();
    assert_eq!(late.memory, Memory::Tso);
    let found = find(&late);
    assert_eq!((found.finding.invariant, found.preemptions), (Invariant::I18, Some(2)));
    exhausted(&Scenario { memory: Memory::Sc, ..late }, 2);
}

#[test]
fn zap_drops_the_mapcount_before_anybody_asks_so_there_the_same_clear_is_right() {
    let text = "file f 1\nfile g 8\nw0 mmap 0 f 0 1 rw shared\nw1 mmap 0 f 0 1 rw shared\nw0 w 0 0\n\
                start\nw0 pin 0 0 | w0 unpin\nw1 ftruncate f 0\n";
    let late = scenario(text, Era::V6_15Sound, &["zap-clear=load-store"]);
    exhausted(&Scenario { memory: Memory::Tso, ..late }, 1);
}

#[test]
fn the_sound_era_is_silent_under_each_memory_with_every_program_of_the_catalogue() {
    // Bound 2 is in the self-test.
    for known in &CATALOGUE.known {
        for memory in Memory::ALL {
            for tlb in [TlbRefill::OnAccess, TlbRefill::Speculative] {
                exhausted(&Scenario { memory: *memory, tlb, ..known.right() }, 1);
            }
        }
    }
}

#[test]
fn what_is_found_in_one_order_is_found_with_store_buffers_for_no_more() {
    for known in CATALOGUE.known.iter().filter(|known| known.race.kind.fails()) {
        let found = find(&Scenario { memory: Memory::Tso, ..known.wrong() });
        assert!(found.preemptions <= Some(known.preemptions), "{}", known.race.name);
    }
}

#[test]
fn a_failure_that_needs_a_store_buffer_shrinks_and_is_replayed() {
    let late = late_clear();
    let padded = late.program.to_string().replace("w0 w 0 0\n", "w0 w 0 0\nw1 pread f 0 1\n");
    let padded = Scenario { program: Program::parse(&padded).expect("a program"), ..late.clone() };
    let found = find(&padded);
    let (small, found) =
        shrink(&padded, &found, Ends::Any, &ShrinkBudget::default(), &mut |_| Control::Go)
            .expect("a scenario");
    assert_eq!((small.memory, small.program.steps.len()), (Memory::Tso, late.program.steps.len()));
    let word = found.token(&small).to_string();
    let token: Token = word.parse().expect("its own word");
    assert_eq!(token, found.token(&small));
    let again = replay(&token, None, &mut || Control::Go).expect("a scenario");
    assert_eq!(again.outcome, Outcome::Reproduced(found.finding));
    let right =
        replay(&token, Some((Era::V6_15Sound, Era::V6_15Sound.rules())), &mut || Control::Go)
            .expect("a scenario");
    assert_eq!(right.outcome, Outcome::NotReproduced);
}

#[test]
fn a_report_says_when_a_store_waits_and_when_it_is_seen() {
    let late = late_clear();
    let told = report(&late, &find(&late), &mut || Control::Go).expect("a scenario");
    assert_eq!((told.columns.len(), told.scenario.memory), (2, Memory::Tso));
    let at = |text: &str| {
        let row = told.rows.iter().position(|row| row.text.contains(text));
        row.unwrap_or_else(|| panic!("no \"{text}\" in\n{told}"))
    };
    let (waits, drains) = (at("ptep_get_and_clear: its store waits"), at("(store drains)"));
    assert!(waits < at("refcount is 1") && at("refcount is 1") < drains, "{told}");
    assert!(told.rows[waits].task == Some(1) && told.rows[drains].task == Some(1), "{told}");
    let text = told.to_string();
    assert!(text.contains("memory: x86-TSO"), "{text}");
    assert!(text.contains("2 preemptions\n      and delays"), "{text}");
    assert!(
        !text.contains("a store\n"),
        "who empties a buffer has nothing to say of its own: {text}"
    );
}

/// Its process never touches the page: a pin faulted it in.
const UNTOUCHED: &str = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0 | w0 unpin\nstart\n\
                         w0 munmap 0\nw1 ftruncate f 0\n";

#[test]
fn a_translation_that_no_access_asked_for_is_flushed_too() {
    let early = scenario(UNTOUCHED, Era::V6_15Sound, &["zap-put=before-flush"]);
    exhausted(&early, 2);
    let ahead = Scenario { tlb: TlbRefill::Speculative, ..early };
    let found = find(&ahead);
    // One to load ahead, one to come between put and flush.
    assert_eq!((found.finding.invariant, found.preemptions), (Invariant::I22, Some(2)));
    let text = report(&ahead, &found, &mut || Control::Go).expect("a scenario").to_string();
    assert!(text.contains("TLBs load ahead"), "{text}");
    exhausted(&scenario(UNTOUCHED, Era::V6_15Sound, &[]), 2);
    let right = scenario(UNTOUCHED, Era::V6_15Sound, &[]);
    exhausted(&Scenario { tlb: TlbRefill::Speculative, ..right.clone() }, 2);
    exhausted(&Scenario { tlb: TlbRefill::Speculative, memory: Memory::Tso, ..right }, 2);
}

#[test]
fn tokens_know_what_memory_and_tlbs_may_do() {
    let ahead = scenario(UNTOUCHED, Era::V6_15Sound, &["zap-put=before-flush"]);
    let ahead = Scenario { tlb: TlbRefill::Speculative, ..ahead };
    for scenario in [failing::torn(), late_clear(), ahead] {
        let token = find(&scenario).token(&scenario);
        assert_eq!(token.to_string().parse(), Ok(token));
    }
}

#[test]
fn each_store_buffer_takes_the_place_of_a_task() {
    let steps = |tasks: u8| (0..tasks).map(|n| format!("w{n} nop\n")).collect::<String>();
    let of = |tasks| {
        let program = Program::parse(&format!("start\n{}", steps(tasks))).expect("a program");
        Scenario { memory: Memory::Tso, ..Scenario::new(program, Era::V6_15Sound) }
    };
    assert_eq!(of(8).validate(), Ok(()));
    assert_eq!(of(9).validate(), Err(ScenarioError::TooManyBuffers(9)));
    assert_eq!(Scenario { memory: Memory::Sc, ..of(9) }.validate(), Ok(()));
    exhausted(&of(2), 1);
}

/// Two processes that share two pages: each stores to one and loads from the other, `between` the two doing something.
fn store_buffering(memory: Memory, between: &str, never: &str) -> Scenario {
    let text = format!(
        "file f 2\nfile g 1\nw0 mmap 0 f 0 2 rw shared\nw1 mmap 0 f 0 2 rw shared\nw0 w 0 0 2\nw1 w 0 0 2\n\
         w0 store 0 0 0\nw0 store 0 1 0\nstart\nw0 store 0 0 1\n{0}a: w0 load 0 1\nw1 store 0 1 1\n{1}b: w1 load 0 0\n\
         never {never}\n",
        between.replace('W', "w0"),
        between.replace('W', "w1"),
    );
    let program = Program::parse(&text).expect("a program");
    Scenario { memory, ..Scenario::new(program, Era::V6_15Sound) }
}

#[test]
fn what_a_process_stores_waits_in_its_cpus_buffer_until_it_asks_the_kernel() {
    let neither = "a = 0 and b = 0";
    // One store waits: that is all it costs.
    let found = find(&store_buffering(Memory::Tso, "", neither));
    assert_eq!(found.preemptions, Some(1));
    exhausted(&store_buffering(Memory::Sc, "", neither), 2);
    // A system call takes a lock.
    exhausted(&store_buffering(Memory::Tso, "W fsync g\n", neither), 2);
    // One's own store one sees at once.
    let own = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 store 0 0 7\na: w0 load 0 0\nw1 nop\nexpect a = 7\n";
    let own = Scenario::new(Program::parse(own).expect("a program"), Era::V6_15Sound);
    exhausted(&Scenario { memory: Memory::Tso, ..own }, 2);
}

#[test]
fn a_store_that_waits_reaches_its_page_before_the_page_is_given_away() {
    let text = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw1 mmap 0 f 0 1 rw shared\nw0 w 0 0\nw1 w 0 0\nstart\n\
                w0 store 0 0 7\nw0 load 0 0\nw1 madvise 0 dontneed 0\nw1 ftruncate f 0\n";
    let program = Program::parse(text).expect("a program");
    let scenario = Scenario::new(program, Era::V6_15Sound);
    exhausted(&Scenario { memory: Memory::Tso, ..scenario }, 2);
}
