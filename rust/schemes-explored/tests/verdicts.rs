//! The verdict on the four ways to `folio_try_get`: all are clean if what to destroy is taken from the page; the frozen
//! bit is not if it is what the caller knew; and every mistake is found.

use pgmap_schemes_explored::search::Verdict;
use pgmap_schemes_explored::verdicts::folio_try_get;

#[test]
fn four_variants_are_clean_but_for_the_type_that_the_caller_knew() {
    let findings = folio_try_get();
    let mistakes = findings.iter().filter(|finding| finding.asked == "a planted mistake");
    assert!(mistakes.clone().count() > 5);
    for finding in mistakes {
        assert!(matches!(finding.verdict, Verdict::Broken { .. }), "{finding:?}");
    }
    let mut broken = Vec::new();
    for finding in findings.iter().filter(|finding| finding.asked != "a planted mistake") {
        match &finding.verdict {
            Verdict::Kept { .. } => {}
            Verdict::Broken { preemptions, why, .. } => {
                assert_eq!((*preemptions, &**why), (2, "destroyed as what it no longer is"));
                assert!(finding.asked.ends_with("as what the caller knew it was"), "{finding:?}");
                broken.push(finding.variant);
            }
            Verdict::Unclear(_) => panic!("{finding:?}"),
        }
    }
    assert_eq!(broken, ["frozen bit, look first", "frozen bit"]);
}
