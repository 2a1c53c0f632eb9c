import pytest
from PIL import Image

from regard import training
from regard.core.run_record import NetworkRecord
from regard.data import Reading
from regard.recipes.arms import build_arm
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.text_gallery import TEXTS, show_texts
from regard.recipes.texts import open_pairs
from regard.recipes.trial import Design, Job, open_table
from regard.training.weights import weights_metadata
from tests.recipes.texts import MODEL, QUICK, write_words


@pytest.fixture
def jobs(tmp_path):
    data = write_words(tmp_path / "words.tsv")
    design = Design(
        data=data, fingerprint=open_pairs(data, Reading()).fingerprint, model=MODEL, size=None, fit="crop", images=None,
        augment="auto", balanced=False, recipe=QUICK, reading=Reading(),
    )  # fmt: skip
    table = open_table(design)
    record = table.record(NetworkRecord(name=MODEL), data=data, reading=Reading())
    made = [
        Job(
            arm=arm, seed=0, folder=tmp_path, trial_folder=tmp_path / arm, design=design, device="cpu",
            reference_parameters=0, ablation_draws=0, ablation_images=1, profiled=False,
        )
        for arm in ("none", "additive")
    ]  # fmt: skip
    for job in made:
        job.trial_folder.mkdir()
        net = build_arm(job.arm, table.backbone(MODEL), 0)
        training.save_weights(job.trial_folder / WEIGHTS, net, weights_metadata(QUICK, 0, (), record))
    return made


def test_networks_with_attention_show_alignments(jobs, tmp_path):
    shown = show_texts(jobs)
    assert [text.arm for text in shown] == ["additive"] * TEXTS
    assert len({text.text for text in shown}) == TEXTS
    (tmp_path / "a.png").write_bytes(shown[0].png)
    assert Image.open(tmp_path / "a.png").width > 100
