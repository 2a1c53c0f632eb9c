from dataclasses import replace

import pytest

from regard.core.run_record import InputRecord
from regard.report import Interval
from regard.report.contents import (
    ablation_table,
    against_controls,
    arm_maps,
    facts,
    recalls,
    result_groups,
    score_headings,
)
from tests.report.conftest import with_classes


def test_main_table_has_every_arm_once(results):
    groups = dict(result_groups(results))
    assert [r.head for r in groups["Plain"]] == ["plain"]
    assert [r.head for r in groups["Mechanisms"]] == ["SE", "ECA", "CBAM", "BAM", "SK"]
    assert [r.head for r in groups["Controls"]] == ["static"]
    assert {len(r.cells) for rows in groups.values() for r in rows} == {8}


def test_rows_match_the_records(results):
    row = next(r for r in dict(result_groups(results))["Mechanisms"] if r.head == "CBAM")
    arm, one = results.arm("cbam"), next(c for c in results.against() if c.arm == "cbam")
    assert row.cells[0].main == f"{100 * one.score.value:.1f}"
    assert row.cells[1].main == f"+{100 * one.difference:.1f}"
    assert row.cells[2].main == one.verdict
    assert (row.cells[3].main, row.cells[3].under) == ("78,792", "+1.2 %")
    low, high = arm.inference.ratio_quartiles
    assert (row.cells[5].main, row.cells[5].under) == ("1.49", f"{low:.2f} to {high:.2f}")
    (plain,) = dict(result_groups(results))["Plain"]
    assert [c.under for c in plain.cells[5:7]] == ["21.3 ms", "1,000/s"]


def test_an_interval_is_cut_at_what_is_possible(results):
    wide = Interval(low=-3.0, high=4.0)
    one = replace(results.against()[1], interval=wide, difference_interval=wide)
    (row,) = dict(result_groups(replace(results, arms=results.arms[1:2], comparisons=(one,))))["Mechanisms"]
    assert (row.cells[0].under, row.cells[1].under) == ("0.0 to 100.0", "−100.0 to +100.0")


def test_what_was_not_measured_is_a_dash(results):
    bare = replace(
        results, comparisons=(), arms=(replace(results.arms[1], inference=None, training=None, memory=None),)
    )
    (row,) = dict(result_groups(bare))["Mechanisms"]
    assert [c.main for c in row.cells] == ["–", "–", "–", "78,492", "12.5 M", "–", "–", "–"]


def test_options_are_shown_under_the_name(results):
    arm = replace(results.arms[1], spec="se:reduction=4")
    (row,) = dict(result_groups(replace(results, arms=(arm,))))["Mechanisms"]
    assert (row.head, row.under) == ("SE", "se:reduction=4")


def test_differences_to_a_control_have_their_own_table(results):
    ((reference, rows),) = against_controls(results)
    assert reference == "static"
    assert [r.head for r in rows] == ["SE", "ECA", "CBAM", "BAM", "SK"]
    assert against_controls(replace(results, comparisons=results.against())) == ()


def test_recalls_are_means_over_seeds(results):
    split, arms, rows = recalls(results)
    assert (split, arms[0], len(rows)) == ("test", "plain", 10)
    none = [t.test.recall[0] for t in results.trials if t.arm == "none"]
    assert rows[0].cells[0].main == f"{100 * sum(none) / len(none):.1f}"


def test_recall_table_shows_lowest_classes_with_images(results):
    k = 100
    recall = tuple(float("nan") if i == 7 else i / k for i in range(k))
    trials = tuple(replace(t, test=replace(t.test, recall=recall)) for t in results.trials)
    many = replace(with_classes(results, tuple(f"class {i}" for i in range(k))), trials=trials)
    _, _, rows = recalls(many)
    assert [r.head for r in rows] == [f"class {i}" for i in range(31) if i != 7]


def test_maps_stand_in_the_column_of_their_image(results, images):
    hidden = replace(images[2], overlays=images[2].overlays[1:])
    found = {s.label: s for s in arm_maps(results, (*images[:2], hidden))}
    assert set(found) == {"SE", "ECA", "CBAM", "BAM", "static"}
    tap, overlays = dict(enumerate(found["CBAM"].maps))[2]
    assert [o.png for o in overlays if o] == [p.overlays[2].png for p in images[:2]] + [hidden.overlays[1].png]
    assert tap == "layer3.0.attention.spatial.map"
    assert [o is None for o in found["CBAM"].maps[0][1]] == [False, False, True]
    assert found["SE"].maps == ()


def test_the_ablation_table_shows_accuracy_and_loss(results):
    modes, rows, said = ablation_table(results)
    assert modes == ("trained", "mean", "swapped", "permuted", "neutral")
    cbam = rows[2]
    assert (cbam.head, cbam.cells[2].main, cbam.cells[2].under) == ("CBAM", "73.8", "−11.2")
    assert said[2].startswith("CBAM depends on the input: frozen maps cost 3.6 points, another image’s 11.2")
    assert said[5].startswith("static: no dependence on the input shown")


def test_recomputed_statistics_have_a_row_of_their_own(results):
    again = tuple(replace(r, renormalised=True, accuracies=(0.5, 0.6)) for r in results.ablations if r.arm == "se")
    _, rows, _ = ablation_table(replace(results, ablations=results.ablations + again))
    assert [(r.head, r.under) for r in rows if r.head == "SE"] == [("SE", ""), ("SE", "statistics recomputed")]
    assert rows[-1].cells[1].main == "55.0"


@pytest.mark.parametrize("words", ["fashion-mini", "3,000 of 6,000 train", "resnet8", "sgd", "2.11.0", "5 min 12 s"])
def test_settings_and_versions_are_listed(results, words):
    listed = [value for _, entries in facts(results) for _, value in entries]
    assert any(words in value for value in listed)


def test_errors_are_shown_in_their_unit(errors):
    assert score_headings(errors) == {"title": "Mean absolute error", "mean": "mean, px", "minus": "px"}
    one = next(c for c in errors.against() if c.arm == "sk")
    row = next(r for r in dict(result_groups(errors))["Mechanisms"] if r.head == "SK")
    assert row.cells[0].main == f"{one.score.value:.3f}"
    assert row.cells[1].main == f"\u2212{abs(one.difference):.3f}"
    assert recalls(errors)[2] == ()


def test_accuracy_is_shown_in_points(results):
    assert score_headings(results) == {"title": "Accuracy", "mean": "mean, %", "minus": "points"}


def test_sounds_have_no_size(results):
    run = replace(results.settings.run, input=InputRecord(kind="sound", options={"size": None}))
    listed = dict(facts(replace(results, settings=replace(results.settings, run=run)))[0][1])
    assert "Size" not in listed
