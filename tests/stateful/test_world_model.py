"""A World and a plain model of it agree after every step; and the test can fail."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pgmap.stateful import _owners, model, things
from stateful.machine import Lockstep

IN_STEP = settings(
    max_examples=int(os.environ.get("PGMAP_MACHINE_EXAMPLES", "200")),
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    phases=[Phase.generate],  # shrinking a machine takes minutes; the first failure tells enough
    suppress_health_check=list(HealthCheck),
)
OUT_OF_STEP = settings(IN_STEP, max_examples=1000)


def test_the_world_and_the_model_agree() -> None:
    run_state_machine_as_test(Lockstep, settings=IN_STEP)


def expect_a_difference(
    rules: Mapping[str, str] | None = None, mistaken: type[model.Model] = model.Model
) -> None:
    class Changed(Lockstep):
        rules_changed = rules or {}
        model_class = mistaken

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Changed, settings=OUT_OF_STEP)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("truncate-break-layout", "off"),
        ("evict-wait", "none"),
        ("idle-pred", "ref-zero"),
        ("share-reset", "kept-at-order-0"),
    ],
)
def test_a_world_with_a_wrong_rule_falls_out_of_step(rule: str, value: str) -> None:
    expect_a_difference({rule: value})


def test_a_wrong_pin_weight_in_the_model_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_owners, "PIN_BIAS", 1023)
    expect_a_difference()


def test_a_model_that_forgets_pipes_is_noticed() -> None:
    class ForgetsPipes(model.Model):
        """Counts what is pinned, and not what is in a pipe."""

        def refs(self) -> Iterator[things.Ref]:
            return (r for w in self.workers.values() for pin in w.pins.values() for r in pin)

    expect_a_difference(mistaken=ForgetsPipes)


def test_a_model_that_splits_a_pmd_in_place_is_noticed() -> None:
    class SplitsInPlace(model.Model):
        """Takes a part of a PMD mapping for that part alone."""

        def zap(self, mapping: things.Mapping, pages: set[int]) -> None:
            for page in pages:
                mapping.ptes.pop(page, None)
                if pages.issuperset(range(mapping.slot(page), mapping.slot(page) + 4)):
                    mapping.pmds.pop(mapping.slot(page), None)

    expect_a_difference(mistaken=SplitsInPlace)
