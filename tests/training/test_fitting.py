"""A resumed run is the same run, bit for bit, and whatever stops a run leaves something to go on from."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from regard.core import CheckpointError, OptionError, TrainingError
from regard.core.run_record import InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.training import Recipe, load_weights
from tests.training.conftest import fit_bars as fit

RUN = RunRecord(
    network=NetworkRecord(name="tiny"), input=InputRecord(kind="image"), task=TaskRecord(name="classification")
)
RECIPES = {
    "sgd": Recipe(epochs=3, lr=0.05, clip=1.0),
    "mixed": Recipe(epochs=3, optimizer="adamw", lr=0.01, mixup=0.4, cutmix=1.0, label_smoothing=0.1),
    "average": Recipe(epochs=3, lr=0.05, ema=0.9),
    "best": Recipe(epochs=3, lr=0.05, ema=0.9, keep="best", class_weights="balanced"),
    "layout": Recipe(epochs=3, lr=0.05, channels_last=True, precision="bfloat16", attention_lr=5.0),
}


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar that the event files hold, also those that TensorBoard would hide."""
    events = EventAccumulator(str(folder), purge_orphaned_data=False, size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def without_seconds(rows):
    return [{k: v for k, v in row.to_json().items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("at", [5, 7, 13])
def test_a_resumed_run_is_the_same_run(name, at, tmp_path, net, loader, stopping, classes, same):
    recipe = RECIPES[name]
    train, val = loader(train=True), loader(train=False)
    options = {"classes": classes, "seed": 3, "device": "cpu", "labels": train.dataset.labels}
    whole, stopped = net(), net()
    expected = fit(whole, recipe, train, val, folder=tmp_path / "whole", **options)
    broken = stopping(train, at, RuntimeError("the power failed"))
    with pytest.raises(RuntimeError, match="the power failed"):
        fit(stopped, recipe, broken, val, folder=tmp_path / "run", **options)

    resumed = net()
    torch.manual_seed(at)
    found = fit(resumed, recipe, train, val, folder=tmp_path / "run", resume=True, **options)

    assert same(whole, resumed)
    assert without_seconds(found.history) == without_seconds(expected.history)
    assert (tmp_path / "run/steps.csv").read_bytes() == (tmp_path / "whole/steps.csv").read_bytes()
    assert read_events(tmp_path / "run/tensorboard") == read_events(tmp_path / "whole/tensorboard")
    assert len((tmp_path / "run/epochs.csv").read_text().splitlines()) == 1 + recipe.epochs


@pytest.mark.parametrize("workers", [0, 2])
def test_worker_processes_change_nothing_in_a_resumed_run(workers, tmp_path, net, loader, stopping, classes, same):
    recipe = Recipe(epochs=3, lr=0.05)
    train, val = loader(train=True, workers=workers), loader(train=False)
    options = {"classes": classes, "seed": 3, "device": "cpu", "logs": False}
    whole, resumed = net(), net()
    fit(whole, recipe, train, val, folder=None, **options)
    with pytest.raises(RuntimeError):
        fit(net(), recipe, stopping(train, 6, RuntimeError()), val, folder=tmp_path, **options)
    fit(resumed, recipe, train, val, folder=tmp_path, resume=True, **options)
    assert same(whole, resumed)


def test_two_runs_differ_where_the_seed_does(net, loader, classes, same):
    nets = [net(), net(), net()]
    for made, seed in zip(nets, (0, 0, 1), strict=True):
        fit(made, Recipe(epochs=1), loader(train=True), None, classes=classes, folder=None, seed=seed, device="cpu")
    assert same(nets[0], nets[1])
    assert not same(nets[0], nets[2])


def test_a_run_that_lacks_only_its_weights_file(tmp_path, net, loader, classes, same):
    for name in ("average", "best"):
        whole, resumed = net(), net()
        options = {
            "classes": classes,
            "seed": 0,
            "device": "cpu",
            "folder": tmp_path / name,
            "labels": loader(train=True).dataset.labels,
        }
        first = fit(whole, RECIPES[name], loader(train=True), loader(train=False), **options)
        (tmp_path / name / "weights.safetensors").unlink()
        second = fit(resumed, RECIPES[name], loader(train=True), loader(train=False), resume=True, **options)
        assert first == second
        assert same(whole, resumed)
        assert load_weights(tmp_path / name / "weights.safetensors")[1]["history"][2]["epoch"] == 3


def test_training_leaves_the_global_generators_unchanged(net, loader, classes):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    made = net()
    torch.manual_seed(7)
    fit(made, Recipe(epochs=1), loader(train=True), None, classes=classes, folder=None, seed=0, device="cpu")
    assert torch.equal(torch.rand(3), expected)


def test_the_task_is_learnt_with_complete_metadata(tmp_path, net, loader, classes):
    recipe = Recipe(epochs=6, lr=0.05)
    found = fit(
        net(),
        recipe,
        loader(train=True, n=200),
        loader(train=False),
        classes=classes,
        folder=tmp_path,
        seed=0,
        device="cpu",
        run=RUN,
    )
    assert found.history[-1].val["accuracy"] > 0.9
    assert (found.epochs, found.steps, found.kept_epoch) == (6, 150, 6)
    _, metadata = load_weights(tmp_path / "weights.safetensors")
    assert RunRecord.from_json(metadata["run"], "file") == RUN
    assert Recipe.from_json(metadata["recipe"]) == recipe
    assert [row["epoch"] for row in metadata["history"]] == [1, 2, 3, 4, 5, 6]


def test_several_labels_are_learnt(net, loader, classes):
    train, val = loader(train=True, multi_label=True, n=200), loader(train=False, multi_label=True)
    found = fit(
        net(),
        Recipe(epochs=6, lr=0.05, mixup=0.2),
        train,
        val,
        classes=classes,
        multi_label=True,
        folder=None,
        seed=0,
        device="cpu",
    )
    last, first = found.history[-1].val, found.history[0].val
    assert last.chosen.name == "mean_average_precision"
    assert last.chosen.value > 0.9
    assert last["loss"] < first["loss"]


def test_the_best_epoch_is_kept_if_set(tmp_path, net, loader, classes):
    """With a learning rate that makes it worse in the end, the kept weights are those of the best epoch."""
    recipe = Recipe(epochs=5, lr=0.05, keep="best", warmup_epochs=0)
    made = net()
    found = fit(
        made,
        recipe,
        loader(train=True, n=120),
        loader(train=False),
        classes=classes,
        folder=tmp_path,
        seed=2,
        device="cpu",
    )
    accuracies = [row.val["accuracy"] for row in found.history]
    assert found.kept_epoch == accuracies.index(max(accuracies)) + 1
    images, labels = (torch.stack([torch.as_tensor(item[i]) for item in loader(train=False).dataset]) for i in (0, 1))
    assert (made.eval()(images).argmax(1) == labels).float().mean() == pytest.approx(max(accuracies))


def test_a_network_in_evaluation_mode_is_trained(net, loader, classes):
    made = net().eval()
    before = made[1].running_mean.clone()
    fit(made, Recipe(epochs=1), loader(train=True), None, classes=classes, folder=None, seed=0, device="cpu")
    assert not torch.equal(before, made[1].running_mean)


@pytest.mark.parametrize("channels_last", [False, True])
def test_images_have_the_memory_format_of_the_recipe(channels_last, net, loader, classes):
    made, seen = net(), []
    layout = torch.channels_last
    made[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].is_contiguous(memory_format=layout)))
    recipe = Recipe(epochs=1, channels_last=channels_last)
    fit(made, recipe, loader(train=True), loader(train=False), classes=classes, folder=None, seed=0, device="cpu")
    assert set(seen) == {channels_last}
    made(torch.randn(2, 2, 6, 6))
    assert seen[-1] is False


class Explodes(nn.Module):
    def __init__(self, inner: nn.Module, after: int) -> None:
        super().__init__()
        self.inner, self.left = inner, after

    def forward(self, x):
        self.left -= self.training
        return self.inner(x) * (float("nan") if self.left < 0 else 1.0)


def test_a_nonfinite_loss_stops_and_keeps_the_checkpoint(tmp_path, net, loader, classes):
    with pytest.raises(TrainingError, match=r"nan in epoch 2, at step 8 with learning rate 0\.\d+.*--lr"):
        fit(
            Explodes(net(), 7),
            Recipe(epochs=3),
            loader(train=True),
            None,
            classes=classes,
            folder=tmp_path,
            seed=0,
            device="cpu",
        )
    assert (tmp_path / "last.safetensors").exists()
    assert not (tmp_path / "weights.safetensors").exists()


def test_resuming_with_other_settings_is_refused(tmp_path, net, loader, classes):
    train = loader(train=True)
    fit(net(), Recipe(epochs=2), train, None, classes=classes, folder=tmp_path, seed=0, device="cpu")
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=r"lr was 0.1, is now 0.2; seed was 0, is now 1|seed was 0, is now 1; lr"):
        fit(
            net(),
            Recipe(epochs=2, lr=0.2),
            train,
            None,
            classes=classes,
            folder=tmp_path,
            seed=1,
            device="cpu",
            resume=True,
        )
    other = nn.Sequential(nn.Flatten(), nn.Linear(72, 3))
    with pytest.raises(
        CheckpointError, match=r"another network; 13 tensors differ: .*1\.weight is .*0\.weight is not in the network"
    ):
        fit(other, Recipe(epochs=2), train, None, classes=classes, folder=tmp_path, seed=0, device="cpu", resume=True)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_what_the_loaders_cannot_serve_is_refused(net, loader, classes):
    with pytest.raises(OptionError, match="keep='best' needs validation"):
        fit(net(), Recipe(keep="best"), loader(train=True), None, classes=classes, folder=None, seed=0, device="cpu")
    with pytest.raises(OptionError, match="at least one batch"):
        fit(net(), Recipe(), [], None, classes=classes, folder=None, seed=0, device="cpu")
    with pytest.raises(OptionError, match="labels of all training images"):
        fit(
            net(),
            Recipe(class_weights="balanced"),
            loader(train=True),
            None,
            classes=classes,
            folder=None,
            seed=0,
            device="cpu",
        )


def test_lightning_says_nothing(net, loader, classes, capfd, recwarn):
    fit(
        net(),
        Recipe(epochs=1),
        loader(train=True),
        loader(train=False),
        classes=classes,
        folder=None,
        seed=0,
        device="cpu",
    )
    assert capfd.readouterr() == ("", "")
    assert not [str(w.message) for w in recwarn]


def test_an_interrupt_in_the_loop_is_raised(tmp_path, net, loader, stopping, classes):
    handler = signal.getsignal(signal.SIGINT)
    broken = stopping(loader(train=True), 7, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt, match="Stopped after 1 of 3 epochs"):
        fit(net(), Recipe(epochs=3), broken, None, classes=classes, folder=tmp_path, seed=0, device="cpu")
    assert signal.getsignal(signal.SIGINT) is handler


SCRIPT = """
import sys, time
sys.path.insert(0, {folder!r})
from conftest import fit_bars, make_loader, make_net
from regard.training import Recipe

class Slow:
    def __init__(self, loader): self.loader = loader
    def __len__(self): return len(self.loader)
    def __iter__(self):
        for batch in self.loader:
            time.sleep(0.1)
            yield batch

fit_bars(make_net(), Recipe(epochs=40, lr=0.05), Slow(make_loader(train=True)), None, folder=sys.argv[1], seed=3,
    device="cpu")
"""


@pytest.mark.e2e
def test_a_killed_process_leaves_a_resumable_run(tmp_path, net, loader, classes, same):
    """The resumed run ends with the weights of one that nothing stopped."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(folder=str(Path(__file__).parent))))
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, script, run], stdout=subprocess.PIPE, text=True, env={**os.environ})
    while not (run / "last.safetensors").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.7)
    process.kill()
    process.communicate(timeout=60)
    recipe, resumed, whole = Recipe(epochs=40, lr=0.05), net(), net()
    options = {"classes": classes, "seed": 3, "device": "cpu"}
    fit(resumed, recipe, loader(train=True), None, folder=run, resume=True, **options)
    fit(whole, recipe, loader(train=True), None, folder=tmp_path / "whole", **options)
    assert same(resumed, whole)
    assert (run / "steps.csv").read_bytes() == (tmp_path / "whole/steps.csv").read_bytes()
