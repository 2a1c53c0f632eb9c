"""The run files of the benchmarks, and the docs' table of their results."""

import json

import pytest
import torch

from benchmarks.digits import __main__ as digits
from benchmarks.digits import table as digits_table
from benchmarks.digits.rows import MARGIN, SIDE, DigitRows
from benchmarks.frames import __main__ as frames_benchmark
from benchmarks.frames import table as frames_table
from benchmarks.frames.clips import DigitClips
from benchmarks.ram.__main__ import main, settings_of
from benchmarks.ram.rows import HERE, ROWS
from benchmarks.ram.table import BEGIN, END, PAGE, RESULTS, read_records, table, write_table
from benchmarks.sequences import __main__ as sequences
from benchmarks.sequences import decode_step, memory
from benchmarks.sequences import table as sequences_table
from benchmarks.sequences.dates import LOCALES, dates
from benchmarks.sequences.sources import split_of
from benchmarks.speaker import table as speaker_table
from benchmarks.speaker import vowels
from benchmarks.surgery.__main__ import NOT_CONVOLUTIONAL, examine, finished_rows, left_out, markdown
from benchmarks.surgery.written import pair, ratios
from regard import cost, models
from regard.core.errors import RunError
from regard.data import ClipPreprocessing, open_sound_to_score, open_source
from regard.data.cluttered import _read


def network_of(row):
    settings = settings_of(row, "", quick=False, epochs=None)
    return models.create(settings["model"], attention=settings.get("attention"), num_classes=10, in_channels=1, seed=0)


def test_every_run_file_is_a_row():
    assert sorted(path.stem for path in HERE.glob("*.yaml")) == sorted(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_a_recipe_and_a_network(row):
    settings, net = settings_of(row, "/there/mnist.npz", quick=False, epochs=None), network_of(row)
    assert models.is_looker(settings["model"]) == isinstance(net, models.RAM)
    if isinstance(net, models.RAM):
        assert net.glimpses == 6
        assert net.detach_location == (row == "mnist-detached")
        if net.policy.spread == "scheduled":
            assert net.policy.epochs == settings["recipe"].epochs, "the schedule takes the whole training"
    inner = settings["data"].removeprefix("cluttered:")
    assert inner == settings["data"] or _read(inner)[0] == "npz:/there/mnist.npz"


@pytest.mark.parametrize("row", ROWS)
def test_the_quick_form_uses_shipped_images(row):
    settings = settings_of(row, "", quick=True, epochs=None)
    assert "mnist-mini" in settings["data"]
    assert settings["recipe"].epochs == 4
    assert "std_epochs=240" not in settings["model"]


@pytest.mark.parametrize("row", ["cluttered-cnn", "cluttered-cnn-stn"])
def test_rivals_cost_as_much_as_ram(row):
    image = torch.zeros(1, 1, 60, 60)
    assert cost.macs(network_of(row), image) == pytest.approx(cost.macs(network_of("cluttered"), image), rel=0.05)


def record(row, **other):
    known = {"row": row, "quick": False, "seed": 0, "test_error": 5.0, "validation_error": 4.0, "epochs": 9}
    return known | {"kept_epoch": 8, "minutes": 90.0} | other


def test_the_table_has_every_row():
    rows = table([record("cluttered"), record("cluttered", quick=True, minutes=2.0)]).splitlines()
    results = "5.88 % and 4.08 % | 5.00 % | 4.00 % | 9 | 8 | 1 | 1.5"
    assert f"| cluttered, 60 x 60 | RAM, 6 glimpses of 12 x 12, 3 scales | {results} |" in rows
    assert sum("not run" in row for row in rows) == 2 * len(ROWS) - 2


def test_errors_are_means_over_seeds():
    runs = [record("mnist", seed=0, test_error=1.0), record("mnist", seed=1, test_error=2.0, kept_epoch=3)]
    assert "| 1.50 % | 4.00 % | 9 | 3 to 8 | 2 | 3.0 |" in table(runs)


def test_an_unfinished_run_has_no_test_error():
    assert "| unfinished | 4.00 % | 9 | 8 | 1 | 1.5 |" in table([record("mnist", test_error=None)])


def test_progress_is_the_best_epoch_so_far(tmp_path):
    folder = tmp_path / "mnist-seed0"
    folder.mkdir()
    folder.joinpath("epochs.csv").write_text("epoch,val_accuracy,seconds\n0,0.9,60\n1,0.97,60\n2,0.96,60\n")
    words = ["mnist", "--progress", "--mnist", "/there/mnist.npz", "--runs", str(tmp_path)]
    assert main([*words, "--out", str(tmp_path / "results.jsonl")]) == 0
    (found,) = read_records(tmp_path / "results.jsonl")
    assert (found["test_error"], found["validation_error"], found["kept_epoch"], found["epochs"]) == (None, 3.0, 2, 3)
    assert found["settings"]["data"] == "npz:mnist.npz"


def test_the_latest_line_of_a_run_counts(tmp_path):
    file = tmp_path / "results.jsonl"
    lines = [record("mnist", test_error=3.0), record("mnist", test_error=2.0), record("mnist", quick=True)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [one["test_error"] for one in read_records(file)] == [2.0, 5.0]
    assert read_records(tmp_path / "none.jsonl") == []


def test_the_better_form_of_the_location_is_said():
    runs = [record("mnist"), record("mnist-detached", validation_error=3.0)]
    assert "`false` 4.00 % (4.00 to 4.00), `true` 3.00 % (3.00 to 3.00); kept on validation: `true`." in table(runs)
    runs.append(record("mnist", seed=1, validation_error=2.0))
    assert "kept on validation: `false`, though the ranges overlap." in table(runs)
    assert "detach_location` on MNIST" not in table(runs[:1])


def test_the_docs_hold_the_table_of_the_results():
    assert f"{BEGIN}\n\n{table(read_records(RESULTS))}\n\n{END}" in PAGE.read_text(encoding="utf-8")


def test_results_name_no_folder_of_a_machine():
    assert all("npz:/" not in json.dumps(one) for one in read_records(RESULTS))


def test_the_table_is_written_between_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_table(page, tmp_path / "none.jsonl")
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    page.write_text("nothing")
    with pytest.raises(RunError, match="no room for the table"):
        write_table(page, tmp_path / "none.jsonl")


@pytest.mark.parametrize("words", [[], ["mnistt", "--quick"]])
def test_a_row_is_needed(words, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert "is no row: name some of mnist, " in capsys.readouterr().err


def test_the_memory_of_training_is_measured():
    found = memory.measure("additive", 8, 8, 4, "cpu")
    assert found["all_pairs_mib"] == pytest.approx(4 * 8 * 8 * 4 / 2**20, abs=0.1)
    assert found["peak_mib"] >= 0


def test_a_decode_step_is_timed_against_bare_operations():
    torch.manual_seed(0)
    inference, training = decode_step.measure(2, 4, 8, "cpu", rounds=1)
    assert (inference["what"], training["what"]) == ("inference", "training")
    assert inference["ratio"] > 0


@pytest.mark.parametrize("row", sequences.ROWS)
@pytest.mark.parametrize("quick", [True, False])
def test_a_row_of_sequences_can_be_trained(row, quick):
    for arm in sequences.ARMS:
        settings = sequences.settings_of(row, "tsv:there.tsv", arm, quick=quick, epochs=None)
        net = models.create_seq2seq(
            settings["model"], source_symbols=9, target_symbols=9, attention=settings["attention"], seed=0
        )
        assert (net.decoder.attention is None) == (arm == "none")
        assert settings["recipe"].epochs == sequences.QUICK_EPOCHS or not quick


def test_dates_are_written_in_all_ways():
    pairs = dates(600)
    assert dates(600) == pairs != dates(600, seed=1)
    assert len({source for source, _ in pairs}) == 600
    short = [source for source, _ in pairs if source.startswith(LOCALES)]
    assert 60 < len(short) < 240
    assert all(len(target) == 10 for _, target in pairs)


def test_a_hash_of_letters_makes_the_splits():
    splits = [split_of("phonemes", f"word{n}") for n in range(2000)]
    assert [round(splits.count(split) / 2000, 1) for split in ("train", "val", "test")] == [0.9, 0.0, 0.1]
    assert split_of("phonemes", "it's") == split_of("phonemes", "its")


def test_the_docs_hold_the_table_of_sequences(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    sequences_table.write_table(page)
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    page.write_text("")
    with pytest.raises(RunError, match="has no room for the table"):
        sequences_table.write_table(page)


def test_sequences_that_were_not_run_are_told():
    text = sequences_table.table([])
    assert text.count("not run") == len(sequences_table.ROWS) * len(sequences_table.ARMS)
    under_way = {
        "row": "dates",
        "arm": "none",
        "quick": False,
        "test": None,
        "epochs": 2,
        "kept_epoch": 1,
        "minutes": 3,
    }
    scores = {"exact_match": 0.5, "character_error": 0.25}
    assert "unfinished | exact match 50.00 %" in sequences_table.table([under_way | {"validation": scores}])


def test_the_sweep_examines_a_network():
    row = examine("timm:test_resnet")
    assert (row["outcome"], row["at"], row["sites"]["residual"]) == ("works", "residual", 4)
    assert examine("torchvision:vgg11")["outcome"] == "left out"


def test_inserted_attention_is_timed_against_written():
    x = torch.zeros(1, 3, 32, 32)
    inserted, written = pair("resnet18", x)
    assert len(ratios(inserted, written, x, 1, train=True)) == 1
    assert {type(module).__name__ for module in written.modules()} >= {"Written", "BatchNorm2d"}


def test_networks_outside_the_sweep_have_reasons():
    assert left_out({"convolutions": 3, "parameters": 10}) is None
    assert left_out({"convolutions": 3, "parameters": 50_000_000}) == "it has 50 million parameters or more"
    assert left_out({"convolutions": 1, "parameters": 10}) == NOT_CONVOLUTIONAL
    assert left_out({"convolutions": None, "parameters": None}) == NOT_CONVOLUTIONAL


def test_the_sweep_goes_on_and_writes_tables(tmp_path):
    works = {
        "network": "a",
        "outcome": "works",
        "parameters": 1_500_000,
        "sites": {"conv": 2},
        "at": "conv",
        "select_s": 0.1,
    }
    failed = {"network": "b", "outcome": "failed", "reason": "no effect"}
    late = {"network": "c", "outcome": "left out", "reason": "the time was over"}
    result = {"size": 128, "torch": "2.14", "timm": "1.0", "rows": [works, failed, late]}
    result["outside"] = {"it is large": {"resnet": ["d", "e"], "vgg": ["f"]}}
    (tmp_path / "rows.json").write_text(json.dumps(result))
    assert finished_rows(tmp_path / "rows.json") == {"a": works}
    text = markdown(result)
    assert text.startswith("1 of 2 networks work (50.0%)")
    assert "| a | 1.5 | 0 / 0 / 2 | conv | 0.10 |" in text
    assert "- b: failed: no effect" in text
    assert "because the time was over: c." in text
    assert "because it is large: 3 networks of timm, by module: resnet 2, vgg 1." in text
    assert "<li>resnet: d, e</li>" in text


def test_recordings_of_speakers_are_read_from_text(tmp_path):
    for name, rows in (("TRAIN", 18), ("TEST", 9)):
        lines = [f"{n},1,2:0.5,{n},3:{n % 9 + 1}" for n in range(rows)]
        (tmp_path / f"JapaneseVowels_{name}.ts").write_text("\n".join(["#a", "@classLabel true", "@data", *lines]))
    file = vowels.write_npz(vowels.folder_of(str(tmp_path)), tmp_path / "a.npz")
    plain = ClipPreprocessing("sound", 2, (0.0,) * 2, (1.0,) * 2)
    source = open_sound_to_score(f"sound:{file}", [f"speaker {n}" for n in range(1, 10)], plain)
    assert source.splits["test"].read(3).tolist() == [[3, 1, 2], [0.5, 3, 3]]
    assert source.splits["test"].labels.tolist() == list(range(9))


def test_the_docs_hold_the_table_of_speakers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    speaker_table.write_table(page)
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    results = [record for record in speaker_table.read_records() if not record["quick"]]
    assert min(record["test"] for record in results) >= 0.97


def rows_of(count=4, split="train"):
    return DigitRows(open_source("mnist-mini").splits[split], count, seed=0, split=split)


def test_rows_of_digits_are_what_they_say():
    rows = rows_of(40)
    images, boxes, there = rows.gather(range(40)), rows.boxes(range(40)), rows.digits(range(40)) >= 0
    assert {len(text) for text in rows.texts()} == {3, 4, 5}
    assert (boxes[:, 1:, 0] >= boxes[:, :-1, 2])[there[:, 1:]].all(), "digits never overlap"
    assert int(boxes[..., 2].max()) <= images.shape[3]
    left, top, right, bottom = boxes[7, 0].tolist()
    inner = rows.base.images[rows.base.labels == int(rows.texts()[7][0]), 0, MARGIN:-MARGIN, MARGIN:-MARGIN]
    seen = images[7, 0, top:bottom, left:right]
    assert seen.shape == (SIDE, SIDE)
    assert (inner <= seen).flatten(1).all(1).any(), "a real digit of its class, perhaps under clutter"


def test_rows_are_functions_of_seed_epoch_and_index():
    rows = rows_of()
    assert torch.equal(rows.gather([2]), rows.gather([1, 2])[1:])
    assert torch.equal(rows.take(torch.tensor([2])).gather([0]), rows.gather([2]))
    other = rows.at_epoch(1)
    assert (other.texts(), bool((other.gather([0]) == rows.gather([0])).all())) == (rows.texts(), False)
    assert torch.equal(rows_of(split="val").at_epoch(3).gather([0]), rows_of(split="val").gather([0]))


@pytest.mark.parametrize("arm", digits.ARMS)
def test_an_arm_of_digits_can_be_trained(arm):
    network, recipe = digits.settings_of(arm, quick=True, epochs=None)
    net = models.create_captioner(network.name, symbols=14, in_channels=1, attention=digits.ARMS[arm], seed=0)
    assert (net.look is None, recipe.epochs) == (arm == "none", 3)
    assert net.grid(digits.HEIGHT, digits.WIDTH) == (5, 16)


def test_the_docs_hold_the_table_of_digits(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    digits_table.write_table(page)
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    page.write_text("")
    with pytest.raises(RunError, match="has no room for the table"):
        digits_table.write_table(page)
    assert digits_table.table([]).count("not run") == 2 * len(digits.ARMS)


@pytest.mark.example
def test_digits_are_read_in_small(tmp_path, monkeypatch):
    for name, value in {"train": 640, "val": 50, "test": 50, "epochs": 1}.items():
        monkeypatch.setitem(digits.QUICK, name, value)
    words = ["additive", "none", "--quick", "--runs", str(tmp_path), "--out", str(tmp_path / "results.jsonl")]
    assert digits.main([*words, "--device", "cpu", "--threads", "1"]) == 0
    soft, plain = digits_table.read_records(tmp_path / "results.jsonl")
    assert 0 <= soft["pointing"] <= 1
    assert (plain["pointing"], plain["test_images"]) == (None, 50)
    assert plain["test"]["loss"] < 2.7, "less than a guess among all symbols"
    assert "quick: `additive`" in digits_table.table([soft, plain])


def test_clips_of_frames_are_made_alike():
    images = open_source("mnist-mini").splits["train"]
    clips = DigitClips(images, "train", count=40)
    frames, shown = clips.clip(7)
    assert 20 <= len(frames) <= 40
    assert len(set(shown.tolist())) == 3
    assert torch.equal(frames, clips.clip(7)[0])
    assert not torch.equal(frames[:20], clips.clip(7, epoch=1)[0][:20])
    batch, other = clips.draw([7, 9]), clips.draw([9])
    length = int(other.mask.sum())
    assert torch.equal(batch.inputs[1:, :, :length], other.inputs)
    assert not batch.inputs[1, :, length:].any()
    assert batch.labels.tolist() == images.labels[[7, 9]].tolist()


def test_the_digit_is_in_three_frames_alone():
    images = open_source("mnist-mini").splits["val"]
    clips = DigitClips(images, "val").with_length(30)
    frames, shown = clips.clip(3)
    digit = images.images[3, 0].int()
    fits = [
        bool((frames[t, y : y + 28, x : x + 28].int() >= digit).all())
        for t in range(30)
        for y in range(5)
        for x in range(5)
    ]
    found = torch.tensor(fits).unflatten(0, (30, 25)).any(1).nonzero()[:, 0]
    assert found.tolist() == shown.tolist()


def test_pointing_is_the_share_of_greatest_weights():
    images = open_source("mnist-mini").splits["test"]
    clips = DigitClips(images, "test", count=4).with_length(12)
    for arm in frames_benchmark.ARMS:
        net = frames_benchmark.create(frames_benchmark.settings_of(quick=True)["model"], arm, 0)
        found = frames_benchmark.score(net, clips, "cpu")
        assert (found["pointing"] is None) == (arm == "none")
        assert 0 <= found["accuracy"] <= 1


def test_the_docs_hold_the_table_of_frames(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    frames_table.write_table(page)
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    assert frames_table.table([]).count("not run") == len(frames_benchmark.ARMS)
