"""The folder of a run records its settings and is never used for another run."""

import inspect
from dataclasses import fields

import pytest

from regard.core import RunError
from regard.recipes.run_folder import Settings, agree, begin, read_facts, read_settings, write_facts
from regard.recipes.train import train
from regard.training import Recipe

SETTINGS = Settings(data="npz:a.npz", model="resnet8", attention="se:reduction=8", recipe=Recipe(epochs=3, lr=0.003))


def test_the_defaults_are_those_of_the_command():
    parameters = inspect.signature(train).parameters
    for field in fields(Settings):
        assert getattr(Settings(), field.name) == (parameters[field.name].default or getattr(Settings(), field.name))


def test_settings_go_through_the_file(tmp_path):
    begin(tmp_path / "run", SETTINGS, {"a": 1})
    assert read_settings(tmp_path / "run") == SETTINGS
    assert read_facts(tmp_path / "run") == {"a": 1}


def test_folders_in_use_are_refused_and_unchanged(tmp_path):
    begin(tmp_path / "run", SETTINGS, {})
    before = (tmp_path / "run/settings.yaml").read_bytes()
    with pytest.raises(RunError, match=r"already contains a training run: .*--resume .*run`, or choose another"):
        begin(tmp_path / "run", Settings(data="mnist-mini"), {})
    assert (tmp_path / "run/settings.yaml").read_bytes() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other/letter.txt").write_text("Dear")
    for path in ("other", "other/letter.txt"):
        with pytest.raises(RunError, match="is not a training run: choose another folder with --out"):
            begin(tmp_path / path, SETTINGS, {})
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["letter.txt"]
    (tmp_path / "empty").mkdir()
    begin(tmp_path / "empty", SETTINGS, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [("data: [", "damaged"), ("3", "damaged"), ("data: a", "'model'"), (None, "contains no training run")],
)
def test_damaged_settings(text, said, tmp_path):
    begin(tmp_path, SETTINGS, {})
    (tmp_path / "settings.yaml").unlink() if text is None else (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(RunError, match=said):
        read_settings(tmp_path)


def test_an_unknown_setting_is_named(tmp_path):
    begin(tmp_path, SETTINGS, {})
    with (tmp_path / "settings.yaml").open("a") as file:
        file.write("epoch: 7\n")
    with pytest.raises(RunError, match=r"'epoch'.*Did you mean 'epochs'"):
        read_settings(tmp_path)


def test_only_what_is_asked_for_must_agree(tmp_path):
    agree(tmp_path, SETTINGS, Settings())
    agree(tmp_path, SETTINGS, SETTINGS)
    agree(tmp_path, SETTINGS, Settings(model="resnet8"))
    with pytest.raises(RunError, match=r"model was resnet8, not resnet56; lr was 0\.003, not 0\.3"):
        agree(tmp_path, SETTINGS, Settings(model="resnet56", recipe=Recipe(lr=0.3)))


def test_facts_that_are_missing_or_damaged_are_none(tmp_path):
    assert read_facts(tmp_path) == {}
    (tmp_path / "run.json").write_text("{")
    assert read_facts(tmp_path) == {}
    write_facts(tmp_path, {"result": None})
    assert read_facts(tmp_path) == {"result": None}


def test_runs_of_earlier_versions_had_no_patches(tmp_path):
    begin(tmp_path, SETTINGS, {})
    path = tmp_path / "settings.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("patch")))
    assert read_settings(tmp_path) == SETTINGS
