//! A token is one scenario and one schedule, whole, and nothing else is a token.

#![allow(clippy::unwrap_used)]

mod failing;

use failing::{LOST, Numbers, TORN, find, lost, scenario, torn};
use pgmap_explore::{ExploredWorld, Scenario, ScenarioError, Token, TokenError};
use pgmap_program::{Era, Geometry, RULES};
use pgmap_sched::{Control, Explorer, Judgement, Plan, Schedule};

/// Each program in each era, with each rule set to each of its values, in two machines.
fn scenarios() -> Vec<Scenario> {
    let odd = "# comments go\nfile a.b-c 3 unwritten\nfile _h 8 written huge\n\n\
               w3 open 7 _h rw,direct | w3 mmap 5 7 2 2 r shared odd\nw3 fork 12\nw3 pipe 1\n\
               start\nw12 r 5 0 2 &\nw12 exit\nw3 unlink a.b-c\nsleep\n";
    let no_set_up = "file f 2 written\nw0 pread f 0 1\nw1 pwrite f 1 1\n";
    let mut all = Vec::new();
    for program in [LOST, TORN, odd, no_set_up] {
        for era in Era::ALL {
            for rule in RULES {
                for value in rule.values {
                    let broken = format!("{}={}", rule.name, value.name);
                    let mut one = scenario(program, era, &[&broken]);
                    all.push(one.clone());
                    one.geometry = Geometry { pages: 1 << 14, cpus: 256, ..Geometry::REAL };
                    all.push(one.clone());
                    // No two sizes alike.
                    let (fds_max, maps_max, pipes_max, pins_max) = (21, 22, 23, 24);
                    one.geometry =
                        Geometry { fds_max, maps_max, pipes_max, pins_max, ..Geometry::SMALL };
                    all.push(one);
                }
            }
        }
    }
    all
}

/// Schedules of a shape that no search is needed for: anything that reads as one.
fn made_up(numbers: &mut Numbers, tasks: usize) -> Schedule {
    let leb = |bytes: &mut Vec<u8>, mut value: u64| {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    };
    let (mut departures, mut events) = (Vec::new(), 0);
    let many = numbers.below(12) as u64;
    for _ in 0..many {
        let step = 1 + numbers.next() % 300;
        events += step;
        leb(&mut departures, step);
        departures.push(numbers.below(tasks) as u8);
        departures.extend(numbers.next().to_le_bytes());
    }
    let mut bytes = vec![1];
    leb(&mut bytes, events + numbers.next() % 1000);
    leb(&mut bytes, many);
    bytes.extend(departures);
    let choices = numbers.below(4) as u64;
    leb(&mut bytes, choices);
    (0..choices).for_each(|_| leb(&mut bytes, numbers.next() >> 40));
    bytes.extend(numbers.next().to_le_bytes());
    Schedule::from_bytes(&bytes).expect("a schedule")
}

/// Every failing schedule of a scenario.
fn failing(scenario: &Scenario) -> Vec<Schedule> {
    let explored = ExploredWorld::new(scenario, &mut || Control::Go).unwrap();
    let mut all = Vec::new();
    let mut keep = |_: &_, schedule: &Schedule| {
        all.push(schedule.clone());
        Judgement::Continue
    };
    Explorer::new().search(&mut &explored, &Plan::default(), &mut keep, &mut |_| Control::Go);
    all
}

fn assert_round_trip(token: &Token) {
    let word = token.to_string();
    assert!(word.starts_with("pgm3:"), "{word}");
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(word["pgm3:".len()..].chars().all(letter), "{word}");
    let back: Token = word.parse().unwrap();
    assert_eq!(&back, token);
    assert_eq!(back.to_string(), word);
}

#[test]
fn what_is_read_is_what_was_written() {
    let mut numbers = Numbers::new(1);
    for scenario in scenarios() {
        let token = Token::new(&scenario, made_up(&mut numbers, scenario.roles().len()));
        assert_eq!(token.scenario.program.to_string(), scenario.program.to_string());
        assert_eq!(token.scenario.rules, scenario.rules);
        assert_round_trip(&token);
    }
}

#[test]
fn every_failing_schedule_of_a_search_goes_into_a_token() {
    for scenario in [lost(), torn()] {
        let schedules = failing(&scenario);
        assert!(schedules.len() > 10, "only {} failures", schedules.len());
        for schedule in schedules {
            assert_round_trip(&Token::new(&scenario, schedule));
        }
    }
}

#[test]
fn a_token_may_have_space_around_it() {
    let token = find(&lost()).token(&lost());
    assert_eq!(format!(" {token}\n").parse(), Ok(token));
}

#[test]
fn one_changed_byte_is_noticed_wherever_it_is() {
    for scenario in [lost(), torn()] {
        let word = find(&scenario).token(&scenario).to_string();
        for at in 0..word.len() {
            for byte in 0..0x80u8 {
                let mut bytes = word.clone().into_bytes();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let garbled = String::from_utf8(bytes).unwrap();
                let read: Result<Token, TokenError> = garbled.parse();
                assert!(read.is_err(), "byte {at} became {byte:#x}: {garbled}");
            }
        }
    }
}

#[test]
fn a_part_of_a_token_is_no_token() {
    let word = find(&torn()).token(&torn()).to_string();
    for at in 0..word.len() {
        assert!(word[..at].parse::<Token>().is_err(), "the first {at} bytes");
        assert!(word[at + 1..].parse::<Token>().is_err(), "the bytes after {at}");
    }
    assert!(format!("{word}{word}").parse::<Token>().is_err());
    assert!(format!("{word}AAAA").parse::<Token>().is_err());
}

#[test]
fn a_hundred_thousand_garbled_tokens_are_errors_and_nothing_worse() {
    let words: Vec<String> =
        [lost(), torn()].iter().map(|s| find(s).token(s).to_string()).collect();
    let mut numbers = Numbers::new(2);
    for round in 0..100_000 {
        let garbled = match round % 4 {
            0 => any_text(&mut numbers),
            1 => format!("pgm3:{}", letters(&mut numbers)),
            2 => changed(&mut numbers, &words[round / 4 % 2]),
            _ => signed(&mut numbers, &words[round / 4 % 2]),
        };
        match garbled.parse::<Token>() {
            // Only the checksum stands in the way of these: whoever forges one gets what is in it.
            Ok(token) if round % 4 == 3 => assert_eq!(token.scenario.validate(), Ok(())),
            Ok(_) => assert!(words.iter().any(|word| word == garbled.trim()), "{garbled:?}"),
            Err(why) => {
                let sentence = why.to_string();
                assert!(
                    sentence.contains("token") && !sentence.contains(char::is_control),
                    "{sentence}"
                );
            }
        }
    }
}

fn any_text(numbers: &mut Numbers) -> String {
    let length = numbers.below(80);
    (0..length).filter_map(|_| char::from_u32(numbers.below(0x300) as u32)).collect()
}

fn letters(numbers: &mut Numbers) -> String {
    const ALL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let length = numbers.below(400);
    (0..length).map(|_| char::from(ALL[numbers.below(ALL.len())])).collect()
}

/// Several bytes changed, taken out or put in.
fn changed(numbers: &mut Numbers, word: &str) -> String {
    let mut bytes = word.as_bytes().to_vec();
    for _ in 0..=numbers.below(4) {
        let (at, byte) = (numbers.below(bytes.len()), numbers.below(0x80) as u8);
        match numbers.below(3) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Bytes changed below the checksum, which fits again.
fn signed(numbers: &mut Numbers, word: &str) -> String {
    let mut bytes = contents(word);
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        bytes[at] = numbers.next() as u8;
    }
    if numbers.below(4) == 0 {
        bytes.truncate(numbers.below(bytes.len()));
    }
    sealed(bytes)
}

/// Where the sizes of a small machine begin in a token's bytes, with their number.
const SIZES: &[u8] = &[14, 2, 2, 0x80, 8];

#[test]
fn a_token_with_fewer_sizes_is_of_a_machine_that_did_not_have_the_others_yet() {
    let token = find(&torn()).token(&torn());
    let bytes = contents(&token.to_string());
    let at = bytes.windows(SIZES.len()).position(|part| part == SIZES).unwrap();
    let small = Geometry::SMALL.pins_max;
    assert_eq!(token.scenario.geometry.pins_max, small);
    // The last of them, one byte, goes.
    let last = at + 1 + 15 - 1;
    assert_eq!(bytes[last], small as u8);
    let mut old = bytes.clone();
    old[at] = 13;
    old.remove(last);
    assert_eq!(sealed(old).parse(), Ok(token));
    let mut new = bytes;
    new[at] = 15;
    new.insert(last, 7);
    let says = sealed(new).parse::<Token>().expect_err("must be refused").to_string();
    assert_eq!(says, "the token is malformed: it has sizes that are none of this version");
}

fn contents(word: &str) -> Vec<u8> {
    use base64::Engine as _;
    let letters = word.strip_prefix("pgm3:").unwrap();
    let mut bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(letters).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn sealed(mut bytes: Vec<u8>) -> String {
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_le_bytes());
    format!("pgm3:{}", encoded(&bytes))
}

#[test]
fn each_way_to_be_wrong_has_its_own_sentence() {
    let token = find(&torn()).token(&torn());
    let word = token.to_string();
    let says = |word: &str| word.parse::<Token>().expect_err("must be refused").to_string();
    assert_eq!(says(""), "this is no token: tokens begin with pgm3:");
    assert_eq!(says("pgmap:AAAA"), "this is no token: tokens begin with pgm3:");
    assert_eq!(
        says(&word.replace("pgm3:", "pgm4:")),
        "the token has format pgm4, and this version reads pgm3 only"
    );
    for old in ["pgm1", "pgm2"] {
        let why = "knows memory by where it lay in the version that wrote it; this version reads pgm3 only";
        let sentence = says(&word.replace("pgm3", old));
        assert!(
            sentence.starts_with(&format!("the token has format {old}, which {why}")),
            "{sentence}"
        );
    }
    assert_eq!(
        says(&word.replacen("pgm3:", "pgm3:+", 1)),
        "the token has a character that no token has, at position 5"
    );
    assert_eq!(says("pgm3:AA"), "the token is cut short");
    // Without its checksum, so that the last of the rest is taken for one.
    let unsealed = format!("pgm3:{}", encoded(&contents(&word)));
    assert_eq!(says(&unsealed), "the token is damaged: its checksum does not fit");

    let instead = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let bytes = contents(&word);
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut new = bytes.clone();
        new[at..at + to.len()].copy_from_slice(to.as_bytes());
        sealed(new)
    };
    assert!(says(&instead("v6.15-sound", "v9.99-sound")).contains("no era is called \"v9.99-"));
    assert!(says(&instead("layout=off", "layout=odd")).contains("has no value \"odd\""));
    assert!(says(&instead("pin 0 0\n", "pin 1 0\n")).contains("mapping 1"));
    assert!(says(&instead("unpin\n", "rwx 0\n")).contains("no operation is called"));
    assert_eq!(
        says(&instead("start", "s\x1b[1m")),
        "the token is malformed: a text has control characters"
    );

    let mut larger = token.clone();
    larger.scenario.geometry.cpus = 0;
    let refused = larger.to_string().parse::<Token>();
    assert!(
        matches!(refused, Err(TokenError::Scenario(ScenarioError::Geometry(_)))),
        "{refused:?}"
    );
    let mut numbers = Numbers::new(3);
    let stray = std::iter::repeat_with(|| made_up(&mut numbers, 16))
        .find(|schedule| schedule.departures().iter().any(|to| to.task.0 > 2))
        .unwrap();
    let stray = Token::new(&token.scenario, stray).to_string();
    assert!(says(&stray).ends_with("and its program has 2"), "{}", says(&stray));
}
