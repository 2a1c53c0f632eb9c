from dataclasses import replace

import pytest

from regard.report.results import AblationRow
from regard.report.statistics import compare_arms
from regard.report.wording import access_sentence, blind_spot, finding, need, opening, statistics_notes


def among(results, **verdicts):
    """The results with these verdicts, the rest within noise."""
    changed = tuple(
        c if c.verdict is None else replace(c, verdict=verdicts.get(c.arm, "within noise")) for c in results.comparisons
    )
    return replace(results, comparisons=changed)


def test_opening_of_barely_trained_networks(results):
    text = opening(among(results, eca="better", sk="worse"))
    assert text.startswith("After only 3 epochs on 3,000 images of fashion-mini, so with barely trained networks, ")
    assert "ECA (+0.6 points) was better than the plain resnet8" in text
    assert "SK (+1.8 points) was worse than the plain resnet8" in text
    assert "SE, CBAM and BAM stayed within noise" in text
    assert text.endswith("for which run")


def test_a_proper_run_is_not_called_barely_trained(results):
    text = opening(replace(results, settings=replace(results.settings, real_run="", epochs=200)))
    assert text.startswith("After 200 epochs on 3,000 images of fashion-mini, ")
    assert "barely" not in text
    assert "run" not in text.split("fashion-mini")[1]


def test_controls_win_nothing_in_the_first_sentence(results):
    assert "static" not in opening(among(results, static="better"))


def test_noise_alone_is_never_called_equal(results):
    text = opening(among(results))
    assert "no difference from the plain resnet8 is significant for SE, ECA, CBAM, BAM and SK" in text


def test_nothing_compared(results):
    assert finding([], {}, "resnet8") == "no mechanism was compared with the plain resnet8"


def test_one_seed_has_a_reason_for_no_verdict(results):
    trials = tuple(t for t in results.trials if t.seed == 0)
    single = replace(results, trials=trials, comparisons=compare_arms(results.arms, trials))
    assert "one seed cannot distinguish SE, ECA, CBAM, BAM and SK from noise" in opening(single)
    assert blind_spot(single.comparisons[1]) == "one seed has no variance to test against"
    (note,) = statistics_notes(single)
    assert "at least two seeds" in note


def test_within_noise_comes_with_detection_limit(results):
    one = next(c for c in results.against() if c.verdict == "within noise")
    text = blind_spot(one)
    assert f"{100 * one.detectable:.1f} points or more" in text
    assert f"0.5 points need about {one.seeds_needed} seeds" in text
    assert "over 100,000 seeds" in blind_spot(replace(one, seeds_needed=None))
    assert "can detect no difference at all" in blind_spot(replace(one, detectable=2.7))
    assert blind_spot(replace(one, verdict="better")) == ""


def test_untested_reasons_are_distinguished(results):
    one = replace(results.against()[1], verdict="not tested", p=None)
    assert "all seeds differ equally" in blind_spot(one)
    assert "no seed in common" in blind_spot(replace(one, seeds=0))


def test_the_notes_name_the_images_that_were_scored(results):
    assert "2,000 test images" in statistics_notes(results)[0]
    trials = tuple(replace(t, test=None) for t in results.trials)
    on_val = replace(results, trials=trials, comparisons=compare_arms(results.arms, trials))
    assert "1,000 validation images" in statistics_notes(on_val)[0]


def test_notes_name_the_scored_weights(results):
    assert "last epoch’s weights" in statistics_notes(results)[0]
    best = replace(results.settings, recipe={**results.settings.recipe, "keep": "best"})
    text = statistics_notes(replace(results, settings=best))[0]
    assert "the best epoch’s weights, by validation, on" in text
    assert "last epoch" not in text


@pytest.mark.parametrize(("looks", "text"), [(0, "never"), (1, "once"), (2, "2 times"), (1234, "1,234 times")])
def test_test_set_accesses_are_counted(results, looks, text):
    assert text in access_sentence(replace(results, test_accesses=looks))


def test_errors_are_spoken_of_in_their_unit(errors):
    text = opening(among(errors, sk="better"))
    one = next(c for c in errors.against() if c.arm == "sk")
    assert f"SK (\u2212{abs(one.difference):.3f} px) was better than the plain resnet8" in text
    notes = " ".join(statistics_notes(errors))
    assert notes.startswith("Mean absolute error is that of the last epoch’s weights on 2,000 test images")
    assert "Lower is better." in notes
    assert "points" not in notes
    noise = next(c for c in errors.against() if c.verdict == "within noise")
    assert " px or more; " in blind_spot(noise)


def with_losses(results, **losses):
    """Ablations of three networks an arm, which lose about so much without maps and a twentieth with others'."""
    rows = [
        AblationRow(arm=arm, seed=seed, mode=mode, renormalised=False, accuracies=(accuracy,), n=1000)
        for arm, loss in losses.items()
        for seed in range(3)
        for mode, accuracy in (
            ("trained", 0.9),
            ("neutral", 0.9 - loss - 0.002 * seed),
            ("swapped", 0.9 - loss / 20 - 0.01 * seed),
        )
    ]
    return replace(results, ablations=tuple(rows))


def test_the_need_of_maps_has_its_interval(results):
    told = need(with_losses(results, se=0.2))
    assert told == (
        "SE loses 20.2 \u00b1 0.7 points of accuracy with its maps switched off; no loss is shown with the maps of "
        "another image (2.0 \u00b1 3.6 points). (Means over 3 networks each, on 1,000 validation images; intervals "
        "hold together with 95\u00a0%.)"
    )


def test_controls_and_single_networks_show_no_need(results):
    assert need(results) == "", "one seed was ablated"
    assert need(with_losses(results, static=0.2)) == ""
