//! Rules and eras: written once, reachable by name, documented.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use pgmap_program::op::call_number;
use pgmap_program::rules::{BlockFree, IdlePred, RuleInfo, ShareReset, TeardownPages, ZapPut};
use pgmap_program::{Era, How, Invariant, RULES, RuleError, Rules, Switch};

#[test]
fn every_value_of_every_rule_can_be_set_and_read_back() {
    for rule in RULES {
        assert!(rule.values.len() >= 2, "{} offers no choice", rule.name);
        for value in rule.values {
            let mut rules = Era::V6_15.rules();
            rules.set(rule.name, value.name).unwrap();
            assert_eq!(rules.get(rule.name).unwrap(), value.name);
            let mut applied = Era::V6_15.rules();
            applied.apply(&format!("{}={}", rule.name, value.name)).unwrap();
            assert_eq!(applied, rules);
        }
    }
}

#[test]
fn setting_one_rule_leaves_the_others_alone() {
    for rule in RULES {
        let before = Era::V6_15.rules();
        let other = rule.values.iter().find(|v| v.name != before.get(rule.name).unwrap()).unwrap();
        let mut after = before;
        after.set(rule.name, other.name).unwrap();
        assert_eq!(after.differences(&before), [(rule.name, other.name)]);
        assert_eq!(before.differences(&before), []);
    }
}

#[test]
fn every_rule_says_what_it_decides_and_of_each_value_how_it_is_known() {
    let names: BTreeSet<_> = RULES.iter().map(|r| r.name).collect();
    assert_eq!(names.len(), RULES.len(), "no two rules share a name");
    for rule in RULES {
        assert!(rule.k.starts_with("K§"), "{}: {}", rule.name, rule.k);
        assert!(rule.summary.len() > 40 && rule.summary.ends_with('.'), "{}", rule.name);
        assert!(!rule.summary.contains("  "), "{}: {:?}", rule.name, rule.summary);
        assert!(
            rule.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{}",
            rule.name
        );
        for value in rule.values {
            let told = [value.meaning, value.kernels, value.source];
            assert!(told.iter().all(|it| !it.is_empty()), "{}={}", rule.name, value.name);
            // It is read by who has no list of those codes.
            assert!(told.iter().all(|it| !it.contains("K§")), "{}={}", rule.name, value.name);
            if value.how == How::Recorded {
                assert!(value.source.contains("recording"), "{}={}", rule.name, value.name);
            }
        }
        assert!(rule.value(rule.base).is_some(), "{}", rule.name);
        for era in Era::ALL {
            assert_eq!(era.value_of(rule), era.rules().get(rule.name).unwrap());
            assert!(rule.values.iter().any(|v| v.name == era.value_of(rule)));
        }
    }
}

#[test]
fn the_wrong_rules_of_the_first_milestone_have_their_names() {
    let mut rules = Era::V6_15Sound.rules();
    for broken in [
        "gup-pte-recheck=off",
        "zap-put=before-flush",
        "truncate-break-layout=off",
        "block-free=before-idle",
        "memunmap-wait=off",
        "free-push=before-settled",
    ] {
        rules.apply(broken).unwrap();
    }
    assert_eq!(rules.gup_pte_recheck, Switch::Off);
    assert!(!rules.memunmap_wait.is_on());
    assert_eq!((rules.zap_put, rules.block_free), (ZapPut::BeforeFlush, BlockFree::BeforeIdle));
    assert_eq!(rules.differences(&Era::V6_15Sound.rules()).len(), 6);
}

#[test]
fn underscores_pass_for_hyphens_in_a_rule_name() {
    let mut rules = Era::V6_15.rules();
    rules.apply("zap_put = before-flush").unwrap();
    assert_eq!(rules.zap_put, ZapPut::BeforeFlush);
}

#[test]
fn an_unknown_rule_is_refused_with_the_nearest_and_with_all_names() {
    let message = RuleInfo::find("zap-putt").unwrap_err().to_string();
    assert!(
        message.contains("no rule is called \"zap-putt\" (did you mean \"zap-put\"?)"),
        "{message}"
    );
    for rule in RULES {
        assert!(message.contains(rule.name), "{message}");
    }
    assert!(matches!(Era::V6_15.rules().get(""), Err(RuleError::UnknownRule { .. })));
}

#[test]
fn an_unknown_value_is_refused_with_the_values_the_rule_takes() {
    let mut rules = Era::V6_15.rules();
    let before = rules;
    let message = rules.set("zap-put", "before-flsh").unwrap_err().to_string();
    assert_eq!(
        message,
        "rule zap-put has no value \"before-flsh\" (did you mean \"before-flush\"?); \
         it takes: after-flush, before-flush"
    );
    assert!(rules.set("gup-pte-recheck", "maybe").is_err());
    assert_eq!(rules, before, "a refused value changes nothing");
}

#[test]
fn rules_that_no_machine_can_have_together_are_refused_with_the_reason() {
    for era in Era::ALL {
        assert_eq!(era.rules().possible(), Ok(()), "{era}");
    }
    let mut rules = Era::V6_12Sound.rules();
    rules.apply("request-folio=by-inspection").unwrap();
    let message = rules.possible().unwrap_err().to_string();
    assert!(
        message.starts_with(
            "request-folio=by-inspection and dax-pages=devmap are impossible together: a free page"
        ),
        "{message}"
    );
    rules.apply("dax-pages=entry-refs").unwrap();
    assert_eq!(rules.possible(), Ok(()));
    // Every pair is of rules and values that there are.
    assert!(rules.apply("dax-pages=devmap").is_ok());
}

#[test]
fn what_an_era_says_of_its_own_value_wins_over_what_the_table_says() {
    let rule = |name| RuleInfo::find(name).unwrap();
    let told = Era::V5_18.known_from(rule("bio-put"));
    assert_eq!(told.0, How::Derived, "recorded on kernels that are newer");
    assert_eq!(Era::V6_12.known_from(rule("bio-put")).0, How::Recorded);
    // Of a value that its twin mends, it says nothing.
    assert_eq!(Era::V5_18.known_from(rule("free-push")).0, How::Source);
    let mended = rule("free-push").value("after-settled").unwrap();
    assert_eq!(Era::V5_18Sound.known_from(rule("free-push")), (mended.how, mended.source));
}

#[test]
fn an_assignment_without_an_equals_sign_is_refused() {
    let message = Era::V6_15.rules().apply("zap-put").unwrap_err().to_string();
    assert!(message.contains("is not RULE=VALUE"), "{message}");
}

#[test]
fn the_faithful_era_differs_from_the_sound_one_exactly_in_its_known_races() {
    let (faithful, sound) = (Era::V6_15, Era::V6_15Sound);
    assert_eq!(faithful.rules().teardown_pages, TeardownPages::Ignore);
    assert_eq!(faithful.rules().idle_pred, IdlePred::RefZero);
    assert_eq!(faithful.rules().share_reset, ShareReset::KeptAtOrder0);
    let known: BTreeSet<_> = faithful.known().iter().map(|race| race.rule).collect();
    let differences = faithful.rules().differences(&sound.rules());
    assert_eq!(known, differences.into_iter().collect());
    assert!(sound.known().is_empty());
}

#[test]
fn every_known_race_is_documented() {
    for race in Era::V6_15.known() {
        assert!(race.id.starts_with('B') && race.k.starts_with("K§"), "{}", race.id);
        for text in [race.title, race.kernels, race.source, race.note] {
            assert!(!text.contains("K§"), "{}: a code that nobody knows", race.id);
            assert!(text.len() > 10, "{}", race.id);
        }
        for operation in race.operations {
            assert_ne!(call_number(operation), 0, "{}: {operation} is no call", race.id);
        }
        let rules = Era::V6_15.rules();
        for breaks in race.breaks {
            let seen = |operation: &str| operation == race.operations[0];
            let known = Era::V6_15.known_race(&rules, *breaks, seen);
            assert_eq!(known.map(|known| known.id), Some(race.id));
        }
        let (rule, mended) = race.mended();
        assert_eq!((rule, Era::V6_15Sound.rules().get(rule)), (race.rule.0, Ok(mended)));
        assert_ne!(mended, race.rule.1);
    }
}

/// What is opened or mapped under a number in use takes away what was there: it takes part in what the call does that
/// only takes away.
#[test]
fn what_replaces_takes_part_where_what_takes_away_does() {
    let replaces = [("munmap", &["mmap"][..]), ("close", &["open", "dup2"])];
    for (race, (takes_away, others)) in
        Era::ALL.iter().flat_map(|era| era.known()).flat_map(|race| replaces.map(|it| (race, it)))
    {
        let listed = |operation: &&str| race.operations.contains(operation);
        assert!(!listed(&takes_away) || others.iter().all(listed), "{}: {others:?}", race.id);
    }
}

/// What breaks the same is another race, if the rule is not in force or nobody does what the race needs.
#[test]
fn a_known_race_is_recognised_by_invariant_rule_and_operation_together() {
    let era = Era::V6_15;
    let known = |rules: &Rules, invariant, calls: &[&str]| {
        let race = era.known_race(rules, invariant, |operation| calls.contains(&operation));
        race.map(|race| race.id)
    };
    let shipped = era.rules();
    let calls = ["unpin", "unbind"];
    assert_eq!(known(&shipped, Invariant::I13Strong, &calls), Some("B31"));
    assert_eq!(known(&shipped, Invariant::I27, &calls), Some("B50"));
    assert_eq!(known(&shipped, Invariant::I22, &calls), None);
    assert_eq!(known(&shipped, Invariant::I13Strong, &["unpin", "ftruncate"]), None);
    let mut mended = shipped;
    mended.apply("teardown-pages=wait-idle").unwrap();
    assert_eq!(known(&mended, Invariant::I13Strong, &calls), None);
    assert_eq!(known(&mended, Invariant::L2, &["ftruncate"]), Some("B33"));
}

#[test]
fn every_era_is_found_by_name_and_documented() {
    for era in Era::ALL {
        assert_eq!(era.name().parse::<Era>(), Ok(era));
        assert!(era.k().starts_with("K§") && era.summary().ends_with('.'));
        assert_eq!(era.rules(), era.rules());
    }
}

#[test]
fn an_unknown_era_is_refused_with_the_eras_that_exist() {
    let message = "v6.15-sond".parse::<Era>().unwrap_err().to_string();
    let all: Vec<&str> = Era::ALL.iter().map(|era| era.name()).collect();
    assert_eq!(
        message,
        format!(
            "no era is called \"v6.15-sond\" (did you mean \"v6.15-sound\"?); eras are: {}",
            all.join(", ")
        )
    );
}

#[test]
fn a_kernel_is_conformed_under_the_newest_faithful_era_that_is_not_newer() {
    let described = [
        ("5.10.200", Era::V5_17),
        ("5.18.3", Era::V5_18),
        ("6.1.176", Era::V6_1),
        ("6.12.107+deb13", Era::V6_12),
        ("6.15", Era::V6_15),
        ("6.16.12+deb13", Era::V6_15),
        ("6.18.0-rc1", Era::V6_15),
        ("6.19.3", Era::V6_19),
        ("7.2.13", Era::V7_2),
    ];
    for (kernel, era) in described {
        assert_eq!(Era::of_kernel(kernel), Some(era), "{kernel}");
        assert!(era.describes(kernel), "{kernel}");
        assert!(era.sound() != era && !era.sound().describes(kernel), "{kernel}");
    }
    // Between two eras, and after all of them.
    for (kernel, era) in [("6.0.19", Era::V5_18), ("6.6.1", Era::V6_1), ("99.2.13", Era::V7_2)] {
        assert_eq!(Era::of_kernel(kernel), Some(era), "{kernel}");
        assert!(!era.describes(kernel), "{kernel}");
    }
    for kernel in ["2.6.39", "5.4.1", "", "six", "6", "99999999999.1"] {
        assert_eq!(Era::of_kernel(kernel), None, "{kernel}");
        assert!(!Era::V7_2.describes(kernel), "{kernel}");
    }
}

#[test]
fn rules_serialise_under_the_names_that_break_takes() {
    let json = serde_json::to_value(Era::V6_15.rules()).unwrap();
    for (rule, value) in Era::V6_15.rules().values() {
        assert_eq!(json[rule], value);
    }
}
