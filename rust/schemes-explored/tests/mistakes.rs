//! Each planted mistake is found, with as many preemptions as the table says and with no fewer.

use pgmap_schemes_explored::mistakes::MISTAKES;
use pgmap_schemes_explored::search::Verdict;

#[test]
fn each_mistake_is_found_with_the_fewest_preemptions_that_show_it() {
    let mut wrong = Vec::new();
    for mistake in MISTAKES {
        // The bounds below are searched first, so that it is the least.
        let verdict = (mistake.search)(mistake.preemptions);
        let expected =
            |why: &str, preemptions| why == mistake.why && preemptions == mistake.preemptions;
        match &verdict {
            Verdict::Broken { preemptions, why, .. } if expected(why, *preemptions) => {}
            other => wrong.push(format!("{}: {other:?}", mistake.what)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_two_mistakes_are_called_the_same() {
    for (at, mistake) in MISTAKES.iter().enumerate() {
        assert!(MISTAKES[..at].iter().all(|other| other.what != mistake.what), "{}", mistake.what);
    }
}
