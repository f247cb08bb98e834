//! Expectations: what they say, what they are refused for, and that names survive.
#![allow(clippy::unwrap_used)]

use pgmap_program::expect::EXPECTATIONS_MAX;
use pgmap_program::{Demand, Died, Errno, Outcome, Program};

const STEPS: &str = "file f 2\nw0 mmap 0 f 0 2 rw shared\nstart\na: w0 pin 0 0\nw1 ftruncate f 0\n\
                     w0 unpin\nsleep\n";

fn with(line: &str) -> Program {
    Program::parse(&format!("{STEPS}{line}\n")).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Whether the condition of a line holds when `a`, `w1.1`, `w0.2` and `env.1` come to this.
fn holds(condition: &str, outcomes: [Outcome; 4]) -> bool {
    let program = with(&format!("expect {condition}"));
    let names = ["a", "w1.1", "w0.2", "env.1"];
    let mut of = |n| {
        let name = program.step_name(n).unwrap();
        outcomes[names.iter().position(|known| **known == name).unwrap()]
    };
    program.expectations[0].condition.holds(&mut of)
}

#[test]
fn conditions_mean_what_they_say() {
    use Outcome::{NotBegun, Value, Waits};
    let busy = Outcome::Errno(Errno::EBUSY);
    let bus = Outcome::Died(Died::Sigbus);
    let end = [Value(0), busy, Waits, NotBegun];
    for (condition, wanted) in [
        ("a = ok", true),
        ("a=0", true),
        ("w0.1 = 0x0", true),
        ("a = 1", false),
        ("a != 1", true),
        ("w1.1 = ok", false),
        ("w1.1 = EBUSY", true),
        ("w1.1 = EAGAIN", false),
        ("w1.1 != EBUSY", false),
        ("w0.2 = waits", true),
        ("w0.2 = ok", false),
        ("w0.2 != ok", true),
        ("env.1 = waits or env.1 = ok", false),
        ("not a = ok or w1.1 = EBUSY", true),
        ("not (a = ok or w1.1 = EBUSY)", false),
        ("a = 1 and a = 0 or w1.1 = EBUSY", true),
        ("a = 1 and (a = 0 or w1.1 = EBUSY)", false),
        ("not not a = ok", true),
        ("not a != ok", true),
    ] {
        assert_eq!(holds(condition, end), wanted, "{condition}");
    }
    assert!(holds("a = SIGBUS and a != ok", [bus, busy, Waits, NotBegun]));
}

#[test]
fn names_are_looked_up_when_all_steps_are_known_and_print_as_they_are() {
    let early = Program::parse(
        "expect b = ok\nfile f 1\nstart\nw1 ftruncate f 0\n  b: w0 pread f 0 1 | w0 nop\nnever w0.2!=0",
    )
    .unwrap();
    assert_eq!(
        early.to_string(),
        "file f 1 written\nstart\nw1 ftruncate f 0\nb: w0 pread f 0 1\nw0 nop\n\
         expect b = ok\nnever w0.2 != 0\n"
    );
    assert_eq!(
        early.expectations.iter().map(|it| it.demand).collect::<Vec<_>>(),
        [Demand::Expect, Demand::Never]
    );
    // A step that has a label may be named by its place, too; the label is its name.
    assert!(with("sometimes w0.1 = ok").to_string().ends_with("sometimes a = ok\n"));
    // Without a start every step counts.
    assert!(Program::parse("w0 nop\nexpect w0.1 = ok").is_ok());
}

/// A line behind the steps, and part of why it is refused.
const BAD: &[(&str, &str)] = &[
    ("expect", "a condition is missing after \"expect\""),
    ("expect a", "= or != is missing after \"a\""),
    ("expect a =", "a result is missing after \"=\""),
    ("expect a == ok", "\"==\" compares nothing: = or !="),
    ("expect a ok", "\"ok\" compares nothing"),
    ("expect = ok", "no step is called \"=\""),
    ("expect (a = ok", "\")\" is missing after \"ok\""),
    ("expect a = ok)", "\")\" is too much"),
    ("expect a = ok a = ok", "\"a\" is too much: conditions are joined by and, or"),
    ("expect a = ok and", "a condition is missing after \"and\""),
    ("expect a = ok | a = 0", "joins conditions by and, or, not"),
    ("expect a = ok &", "an expectation has a line of its own"),
    ("w0 nop | expect a = ok", "an expectation has a line of its own"),
    ("expect A = ok", "no step is called \"A\" (did you mean \"a\"?): label one"),
    ("expect w0.3 = ok", "there is no step w0.3: w0 has 2 after start, counted from 1"),
    ("expect w0.0 = ok", "there is no step w0.0"),
    ("expect w7.1 = ok", "w7 has 0 after start"),
    ("expect env.2 = ok", "env has 1 after start"),
    ("expect w0.x = ok", "no step is called \"w0.x\""),
    ("expect a = EBUZY", "\"EBUZY\" is no result (did you mean \"EBUSY\"?)"),
    ("expect a = EFALT", "did you mean \"EFAULT\"?"),
    ("expect a = -EFAULT", "did you mean \"EFAULT\"?"),
    ("expect a = sigbus", "did you mean \"SIGBUS\"?"),
    ("expect a = OK", "is no result (did you mean \"ok\"?)"),
    ("expect a = -14", "\"-14\" is no result: ok, waits"),
    ("expect a = 99999999999999999999", "is no result"),
    ("a: w0 nop", "a is the label of the step on line 4 already"),
    ("b:w0 nop", "put a space after the label: b: w0"),
    ("b: ", "b labels nothing"),
    (": w0 nop", "\"\" is no label"),
    ("9: w0 nop", "\"9\" is no label"),
    ("w3: w0 nop", "\"w3\" means something else already"),
    ("not: w0 nop", "\"not\" means something else already"),
    ("env: w0 nop", "\"env\" means something else already"),
    ("e: end", "end has no result to speak of"),
    ("f: file g 1", "file has no result to speak of"),
];

#[test]
fn bad_expectations_are_refused_with_line_and_reason() {
    for (line, reason) in BAD {
        let text = format!("{STEPS}{line}");
        let wrong = Program::parse(&text).expect_err(line);
        assert_eq!(wrong.line, 8, "{wrong}");
        assert!(wrong.what.contains(reason), "{line}: {wrong}");
        assert_eq!(wrong.text, line.trim_end());
    }
    let set_up = Program::parse("m: w0 nop\nstart\nw0 nop\nexpect m = ok").unwrap_err();
    assert_eq!(set_up.what, "m is set-up, on line 1: expectations are about steps after start");
    assert_eq!((set_up.line, set_up.column), (4, 8));
}

#[test]
fn neither_depth_nor_number_is_without_a_limit() {
    let deep = |n: usize| format!("{STEPS}expect {}a = ok{}", "(".repeat(n), ")".repeat(n));
    assert!(Program::parse(&deep(30)).is_ok());
    let wrong = Program::parse(&deep(100_000)).unwrap_err();
    assert!(wrong.what.starts_with("more than 32 conditions within each other"), "{wrong}");
    let nots = format!("{STEPS}expect {} a = ok", "not ".repeat(100_000));
    assert!(Program::parse(&nots).is_err());
    let many = |n| format!("{STEPS}{}", "expect a = ok\n".repeat(n));
    assert!(Program::parse(&many(EXPECTATIONS_MAX)).is_ok());
    let wrong = Program::parse(&many(EXPECTATIONS_MAX + 1)).unwrap_err();
    assert_eq!(wrong.what, "a program has at most 64 expectations");
}

#[test]
fn one_step_alone_has_no_label_and_expects_nothing() {
    let mut program = with("");
    for step in ["a: w0 nop", "expect a = ok"] {
        let wrong = program.parse_step(step).unwrap_err();
        assert!(
            wrong.what.starts_with("labels and expectations are for whole programs"),
            "{wrong}"
        );
    }
}
