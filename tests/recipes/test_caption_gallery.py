import io

from PIL import Image

from regard import training
from regard.data import Reading
from regard.recipes.arms import build_arm
from regard.recipes.caption_gallery import SHOWN, show_captioned
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.trial import Design, Job, fingerprint_of_data, open_table
from tests.recipes.captions import MODEL, QUICK, write_captions


def test_a_comparison_shows_where_each_looked(tmp_path):
    data = write_captions(tmp_path / "images")
    design = Design(
        data=data, fingerprint=fingerprint_of_data(data, Reading()), model=MODEL, size=None, fit="crop", images=None,
        augment="none", balanced=False, recipe=QUICK, reading=Reading(),
    )  # fmt: skip
    jobs = [
        Job(
            arm=arm, seed=0, folder=tmp_path, trial_folder=tmp_path / arm, design=design, device="cpu",
            reference_parameters=0, ablation_draws=0, ablation_images=1, profiled=False,
        )
        for arm in ("none", "additive")
    ]  # fmt: skip
    for job in jobs:
        training.save_weights(job.trial_folder / WEIGHTS, build_arm(job.arm, open_table(design).backbone(MODEL), 0), {})
    shown = show_captioned(jobs)
    assert [one.arm for one in shown] == ["additive"] * SHOWN
    assert all(one.text.endswith(".png") and Image.open(io.BytesIO(one.png)).width > 300 for one in shown)
