//! Recordings with one word altered.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A recording that differs from a real one in one word.
pub(crate) struct Mutant {
    pub(crate) recording: Value,
    /// Which word, and how.
    pub(crate) what: String,
    /// The step at which a replay must notice.
    pub(crate) shows_at: u32,
}

type Alter = Box<dyn Fn(&mut Map<String, Value>)>;

struct Change {
    /// The kind of change, for sampling.
    kind: String,
    step: usize,
    page: Option<String>,
    alter: Alter,
}

/// Of every kind of change the first, the last and one in the middle.
pub(crate) fn sampled(original: &Value) -> Vec<Mutant> {
    let mut kinds: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in changes(original) {
        kinds.entry(change.kind.clone()).or_default().push(change);
    }
    let mut all = Vec::new();
    for (at, changes) in kinds.into_values().enumerate() {
        let mut picks = vec![0, (at * 7 + changes.len() / 2) % changes.len(), changes.len() - 1];
        picks.dedup();
        all.extend(picks.into_iter().map(|pick| mutant(original, &changes[pick])));
    }
    all
}

fn mutant(original: &Value, change: &Change) -> Mutant {
    let mut recording = original.clone();
    let step = &mut recording["steps"][change.step];
    let words = match &change.page {
        Some(page) => &mut step["pages"][page],
        None => step,
    };
    let words = words.as_object_mut().expect("an object");
    (change.alter)(words);
    let page = change.page.as_ref().map_or_else(String::new, |page| format!(" of page {page}"));
    let what = format!("step {}: {}{page}", change.step, change.kind);
    // The share a block starts with is taken from the recording, so it shows a step later.
    let carried = change.step == 0 && change.kind == "share";
    let shows_at = change.step as u32 + u32::from(carried);
    Mutant { recording, what, shows_at }
}

/// Every word of every step, each way it can be altered.
fn changes(original: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    let steps = original["steps"].as_array().expect("steps");
    for (at, step) in steps.iter().enumerate() {
        let words = step.as_object().expect("a step");
        let mut push = |kind: String, alter| all.push(Change { kind, step: at, page: None, alter });
        step_changes(words, steps.len(), &mut push);
        let Some(pages) = words.get("pages").and_then(Value::as_object) else { continue };
        for (page, words) in pages {
            let page = Some(page.clone());
            let mut push = |kind: String, alter| {
                all.push(Change { kind, step: at, page: page.clone(), alter });
            };
            page_changes(words.as_object().expect("a page"), &mut push);
        }
    }
    all
}

fn step_changes(words: &Map<String, Value>, steps: usize, push: &mut impl FnMut(String, Alter)) {
    let ret = words.get("ret").and_then(Value::as_i64).unwrap_or(0);
    push("ret one more".into(), set("ret", json!(ret + 1)));
    push("ret an errno".into(), set("ret", json!(if ret == -5 { -6 } else { -5 })));
    for flag in ["blocked", "in_flight", "died"] {
        flip(words, flag, push);
    }
    match words.get("completes_at").and_then(Value::as_u64) {
        Some(at) => {
            push("completes_at earlier".into(), set("completes_at", json!(at - 1)));
            push("completes_at later".into(), set("completes_at", json!(at + 1)));
            push("completes_at removed".into(), remove("completes_at"));
        }
        None => push("completes_at added".into(), set("completes_at", json!(steps - 1))),
    }
    let completed = words.get("completed_now").and_then(Value::as_array).cloned();
    for (at, entry) in completed.iter().flatten().enumerate() {
        for key in ["step", "ret"] {
            let value = json!(entry[key].as_i64().expect("a number") + 1);
            push(format!("completed_now {key}"), entry_of(at, key, value));
        }
        push("completed_now actor".into(), entry_of(at, "actor", json!("w7")));
        push(
            "completed_now shortened".into(),
            Box::new(move |words| {
                words["completed_now"].as_array_mut().expect("a list").remove(at);
            }),
        );
    }
    let mut more = completed.unwrap_or_default();
    more.push(json!({"step": 1, "actor": "w0", "ret": 0}));
    push("completed_now lengthened".into(), set("completed_now", json!(more)));
    if words.contains_key("still_blocked") {
        push("still_blocked removed".into(), remove("still_blocked"));
    }
    push("still_blocked another".into(), set("still_blocked", json!("w7")));
}

fn page_changes(words: &Map<String, Value>, push: &mut impl FnMut(String, Alter)) {
    let numbers = ["ref", "map", "order", "large_map", "entire_map", "pin", "share", "tail_of"];
    for name in numbers {
        match words.get(name).and_then(Value::as_i64) {
            Some(value) => push(name.into(), set(name, json!(value + 1))),
            None => push(name.into(), set(name, json!(1))),
        }
        // An absent share is 0.
        if words.contains_key(name) && name != "share" {
            push(format!("{name} removed"), remove(name));
        }
    }
    for flag in ["mapping", "va_elsewhere", "gone"] {
        flip(words, flag, push);
    }
    let mut names = words.get("mapped_by").and_then(Value::as_array).cloned().unwrap_or_default();
    if !names.is_empty() {
        push("mapped_by shortened".into(), set("mapped_by", json!(names[1..])));
    }
    names.push(json!("w7/m0"));
    push("mapped_by lengthened".into(), set("mapped_by", json!(names)));
}

fn flip(words: &Map<String, Value>, flag: &'static str, push: &mut impl FnMut(String, Alter)) {
    let was = words.get(flag).and_then(Value::as_bool).unwrap_or(false);
    push(format!("{flag} {}", !was), set(flag, json!(!was)));
}

fn set(key: &'static str, value: Value) -> Alter {
    Box::new(move |words| {
        words.insert(key.to_owned(), value.clone());
    })
}

fn remove(key: &'static str) -> Alter {
    Box::new(move |words| {
        words.remove(key);
    })
}

fn entry_of(at: usize, key: &'static str, value: Value) -> Alter {
    Box::new(move |words| words["completed_now"][at][key] = value.clone())
}
