from dataclasses import replace

import numpy as np
import pytest

from regard.report import GateProfile
from regard.report.map_figures import ablation_panels, gate_panels, most_different_class, shown_profiles
from tests.report.conftest import with_classes


def profile(by_class, **changes):
    rows = tuple(tuple(map(float, row)) for row in by_class)
    overall = tuple(map(float, np.mean(by_class, 0)))
    return replace(GateProfile(arm="se", seed=0, tap="layer1.0.gate", by_class=rows, overall=overall), **changes)


def test_each_layers_panel_names_most_different_class(results):
    panels = gate_panels(results, "se")
    own = [p for p in results.gate_profiles if p.arm == "se"]
    assert [p.title for p in panels] == [p.tap for p in own]
    for figure, found in zip(panels, own, strict=True):
        gaps = np.square(np.subtract(found.by_class, found.overall)).mean(1)
        assert most_different_class(found) == gaps.argmax()
        assert f">{results.settings.classes[gaps.argmax()]}</text>" in figure.svg
        assert f"{len(found.overall)} channels" in figure.svg


def test_constant_map_is_labelled_as_such(results):
    for figure in gate_panels(results, "static"):
        assert "all classes alike" in figure.svg
        assert not any(f">{name}</text>" in figure.svg for name in results.settings.classes)


def test_an_arm_without_channel_maps_has_no_panels(results):
    assert gate_panels(results, "sk") == ()


def test_deep_network_shows_six_spaced_layers(results):
    deep = tuple(profile(np.full((10, 4), 0.5), tap=f"layer{i}.gate") for i in range(27))
    other = tuple(replace(p, seed=1) for p in deep)
    taps = [p.tap for p in shown_profiles(replace(results, gate_profiles=deep + other))["se"]]
    assert len(taps) == 6
    assert (taps[0], taps[-1]) == ("layer0.gate", "layer26.gate")


@pytest.mark.parametrize(("classes", "channels"), [(1, 1), (2, 2048), (1000, 64)])
def test_the_drawing_stays_small_whatever_the_counts(results, classes, channels):
    draw = np.random.default_rng(0)
    big = replace(
        with_classes(results, tuple(f"class {i}" for i in range(classes))),
        gate_profiles=(profile(draw.random((classes, channels))),),
    )
    (figure,) = gate_panels(big, "se")
    assert len(figure.svg) < 100_000


def test_class_without_images_can_be_drawn(results):
    rows = np.random.default_rng(0).random((10, 4))
    rows[3] = np.nan
    found = profile(rows, overall=(0.4, 0.5, 0.6, 0.7))
    (figure,) = gate_panels(replace(results, gate_profiles=(found,)), "se")
    assert most_different_class(found) != 3
    assert f">{results.settings.classes[3]}</text>" not in figure.svg


def test_ablation_panel_of_each_arm_has_every_mode(results):
    panels = ablation_panels(results)
    assert [p.title for p in panels] == ["SE", "ECA", "CBAM", "BAM", "SK", "static"]
    for mode in ("as trained", "frozen at the mean", "another image's", "shuffled", "neutral"):
        assert f">{mode}</text>" in panels[0].svg
    cbam = {r.mode: r.accuracies[0] for r in results.ablations if r.arm == "cbam"}
    assert f"another image's {100 * cbam['swapped']:.1f} %" in panels[2].description


def test_no_ablation_is_no_panel(results):
    assert ablation_panels(replace(results, ablations=())) == ()
