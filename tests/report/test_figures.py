import math
import re
from dataclasses import replace

import pytest

from regard.report.figures import arm_labels, paired_differences, score_against_cost, training_curves
from tests.report.conftest import scores_of

NAMES = ["SE", "ECA", "CBAM", "BAM", "SK", "static"]


def test_arms_sharing_a_name_get_their_specs(results):
    twice = (*results.arms, replace(results.arms[1], spec="se:reduction=4"))
    labels = arm_labels(replace(results, arms=twice))
    assert (labels["none"], labels["se"], labels["se:reduction=4"]) == ("plain", "se", "se:reduction=4")
    assert labels["cbam"] == "CBAM"


def test_every_arm_has_a_row_of_differences(results):
    figure = paired_differences(results)
    for name in NAMES:
        assert f">{name}</text>" in figure.svg
    assert "ECA +0.6 points, better" in figure.description


def test_nothing_compared_is_no_figure(results):
    assert paired_differences(replace(results, comparisons=())) is None
    assert score_against_cost(replace(results, comparisons=())) == ()


def test_each_cost_has_a_panel_with_every_arm(results):
    panels = score_against_cost(results)
    assert [p.title for p in panels] == ["Inference time", "Parameters", "Multiply-adds"]
    for figure in panels:
        for name in ["plain", *NAMES]:
            assert f">{name}</text>" in figure.svg
    assert "SK 86.1 % at 1.85" in panels[0].description


def test_equal_accuracies_of_one_seed_draw_without_warning(results, recwarn):
    alike = tuple(replace(c, score=replace(c.score, value=0.8), interval=None) for c in results.comparisons)
    assert score_against_cost(replace(results, comparisons=alike))
    assert not recwarn.list


def test_costs_that_differ_little_are_written_whole(results):
    arms = tuple(replace(arm, macs=6_870_000 + n) for n, arm in enumerate(results.arms))
    svg = score_against_cost(replace(results, arms=arms))[-1].svg
    assert ">+6.87<" not in svg
    assert ">6.87" in svg


def test_unmeasured_cost_has_no_panel(results):
    arms = (*results.arms[:-1], replace(results.arms[-1], inference=None))
    assert [p.title for p in score_against_cost(replace(results, arms=arms))] == ["Parameters", "Multiply-adds"]


def heights(svg, colour):
    """The y coordinates of the markers of one colour that stand in an accuracy panel."""
    found = re.findall(r'<use [^>]*?x="([\d.]+)" y="([\d.]+)"[^>]*?fill: (#[0-9a-f]+)', svg)
    return [float(y) for _, y, fill in found if fill == colour]


def test_higher_accuracy_is_drawn_higher(results):
    svg = score_against_cost(results)[1].svg
    arms = [a for a in results.arms if not a.is_control and not a.is_plain]
    accuracy = {c.arm: c.score.value for c in results.against()}
    ys = heights(svg, "#1f5a94")
    assert len(ys) == len(arms)
    order = sorted(range(len(arms)), key=lambda i: accuracy[arms[i].spec])
    assert order == sorted(range(len(arms)), key=lambda i: -ys[i])


def test_every_arm_with_a_history_has_its_curves(results):
    panels = training_curves(results)
    assert [p.title for p in panels] == ["plain", *NAMES]
    none = [t for t in results.trials if t.arm == "none"]
    mean = sum(t.history[-1].val["accuracy"] for t in none) / len(none)
    assert f"after 3 epochs validation accuracy {100 * mean:.1f} %" in panels[0].description
    bare = replace(results, trials=tuple(replace(t, history=()) for t in results.trials))
    assert training_curves(bare) == ()


def test_nan_loss_is_left_out(results):
    first = results.trials[0]
    broken = replace(
        first, history=tuple(replace(e, val=scores_of(accuracy=0.5, loss=math.nan)) for e in first.history)
    )
    panels = training_curves(replace(results, trials=(broken, *results.trials[1:])))
    assert len(panels) == len(results.arms)


@pytest.mark.parametrize("epochs", [1, 200])
def test_one_epoch_and_many_can_be_drawn(results, epochs):
    rows = results.trials[0].history
    history = tuple(replace(rows[0], epoch=e + 1) for e in range(epochs))
    bare = replace(results, trials=tuple(replace(t, history=history) for t in results.trials))
    assert all(f"after {epochs} epochs" in p.description for p in training_curves(bare))


def test_errors_are_drawn_without_per_cent(errors):
    panels = (paired_differences(errors), *score_against_cost(errors), *training_curves(errors))
    said = " ".join((p.svg + p.description) for p in panels)
    assert "mean absolute error minus plain network, px" in said
    assert "test mean absolute error, px" in said
    assert "validation mean absolute error, px" in said
    assert "%" not in " ".join(p.description for p in panels)
    assert "points" not in said
