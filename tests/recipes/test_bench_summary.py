"""Every figure of the tables is worked out from the record by hand."""

import dataclasses

import pytest

from regard.recipes.bench_results import AUTO, COMPILED, EAGER
from regard.recipes.bench_summary import copies_of, describe, in_copies, losses, refusals, savings, summarise
from tests.recipes.bench_records import case, results

CASES = (
    case(eager=2.0, reference=3.0, copy=0.5),
    case(layout="channels last", eager=8.0, reference=3.0, copy=0.125, compiled=0.5),
    case(shape=(1, 256, 56, 56), eager=0.8, reference=1.0, copy=0.5),
    case(mode="training", eager=4.0, reference=1.0, copy=0.25),
    case(network="resnet50", shape=(8, 3, 160, 160), plain=1.0, auto=1.03, eager=1.08),
)


def test_gains_are_geometric_means_with_their_range():
    first = summarise(CASES)[0]
    assert (first.mechanism, first.mode, first.batch, first.twin) == ("se", "inference", 16, "timm")
    assert (first.eager.mean, first.eager.low, first.eager.high, first.eager.cases) == (pytest.approx(4.0), 2.0, 8.0, 2)
    assert first.reference.mean == pytest.approx(3.0)
    assert first.compiled.cases == 1
    assert first.copies == pytest.approx(4.0)


def test_batches_and_passes_are_apart():
    assert [(row.batch, row.mode) for row in summarise(CASES)] == [
        (16, "inference"),
        (16, "training"),
        (1, "inference"),
    ]


def test_losses_are_named_with_the_worst_first():
    found = losses(CASES)
    assert [(loss.other, loss.times) for loss in found] == [(COMPILED, 2.0), (EAGER, 1.25)]
    assert str(found[0]) == "se 16x256x56x56, channels last, inference: 2.00 times as long as timm, compiled"
    assert str(found[1]) == "se 1x256x56x56, contiguous, inference: 1.25 times as long as timm"


def test_a_refused_contestant_counts_nowhere():
    wrong = case(mechanism="eca", copy=0.5, refused={EAGER: "wrong: the output differs"})
    assert summarise([wrong])[0].eager is None
    assert losses([wrong]) == []
    (sentence,) = refusals([wrong])
    assert sentence == ("eca 16x256x56x56, contiguous, inference: timm was not timed: wrong: the output differs")


def test_a_missing_twin_is_told_once():
    missing = [dataclasses.replace(one, twin="none: timm is not installed") for one in CASES[:2]]
    assert list(refusals(missing)) == ["se was not measured against a twin: timm is not installed"]
    assert summarise([missing[0], CASES[1]])[0].twin == "timm"


def test_our_own_error_leaves_no_gain():
    wrong = case(eager=2.0, refused={AUTO: "wrong: the output differs"})
    del wrong.timings[AUTO]
    assert wrong.times_faster(EAGER) is None
    assert "regard was not timed" in next(iter(refusals([wrong])))


def test_copies_need_the_shape():
    assert in_copies(CASES[0]) == 2.0
    assert in_copies(CASES[0], EAGER) == 4.0
    assert in_copies(case(eager=2.0)) is None
    assert copies_of([case(shape=(16, 64, 56, 56), copy=0.5)]) is None


def test_a_network_is_described():
    assert describe(CASES[4]) == "resnet50 with se 8x3x160x160, contiguous, inference"


def test_savings_compare_the_same_cases():
    slow, fast = case(eager=2.0), case(eager=2.0)
    slow.timings[AUTO] = dataclasses.replace(slow.timings[AUTO], seconds=0.03, page_faults=9.0)
    (without,) = results(slow, case(shape=(1, 8, 4, 4)), name="out of the box").regimes
    (saving,) = savings(without, results(fast).regimes[0])
    assert (saving.mechanism, saving.mode, saving.faults) == ("se", "inference", (9.0, 3.0))
    assert (saving.ours, saving.twin) == (pytest.approx(3.0), 1.0)


def test_half_a_per_cent_is_no_loss():
    assert losses([case(eager=0.996)]) == []
    assert len(losses([case(eager=0.99)])) == 1
