import pytest

from regard.core import OptionError, RunError
from regard.data import ClipPreprocessing, Reading
from regard.recipes.clips import clips_at_once, load_clip_network, only_bad, open_clips_for
from regard.recipes.evaluate import evaluate
from regard.recipes.kinds import kind_of_run
from tests.recipes.clips import write_series


def test_a_network_is_evaluated_by_its_own_splits(clip_run):
    assert kind_of_run(clip_run.path) == "clip"
    found = evaluate(run=str(clip_run.path), device="cpu")
    assert (found.split, found.n, found.unit, found.counts) == ("val", 24, "clip", (8, 8, 8))
    assert found.scores["accuracy"] == clip_run.scores["accuracy"]
    assert found.by_class.classes == ("bar", "line", "square")
    loaded = load_clip_network(clip_run.path)
    with pytest.raises(RunError, match="score its val or test split, not all"):
        open_clips_for(loaded, None, "all", Reading())


def test_other_kinds_are_refused(clip_run, trained, tmp_path):
    with pytest.raises(RunError, match="holds a network that takes images, not clips or sounds"):
        load_clip_network(trained.path)
    with pytest.raises(OptionError, match="takes clips: name them with --data clips:PATH"):
        open_clips_for(load_clip_network(clip_run.path), write_series(tmp_path), None, Reading())
    with pytest.raises(OptionError, match="max_pixels=5 is not allowed with clips or sounds"):
        only_bad("clips:there", Reading(max_pixels=5))


def test_long_clips_run_in_smaller_batches(clip_run):
    loaded = load_clip_network(clip_run.path)
    clips = open_clips_for(loaded, None, "val", Reading()).clips
    assert clips_at_once(clips, loaded.preprocessing) == 256
    large = ClipPreprocessing("clip", 3, (0.5,) * 3, (0.5,) * 3, size=(1000, 1000))
    assert clips_at_once(clips, large) == 1
