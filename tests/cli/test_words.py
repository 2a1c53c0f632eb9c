"""The command line is split into options, lists of values and positional arguments; errors name the nearest."""

import json
from pathlib import Path

import pytest
import yaml

from regard.cli.parameters import Parameter
from regard.cli.words import UsageError, nearest, read_words, restore

PARAMETERS = {
    p.name: p
    for p in (
        Parameter("images", tuple[Path, ...], ()),
        Parameter("data", str, "x"),
        Parameter("batch_size", int, 1),
        Parameter("attention", str | None, None),
        Parameter("seeds", tuple[int, ...], (0,)),
        Parameter("resume", bool, False),
        Parameter("progress", bool, True),
    )
}


def read(line, words="images"):
    return read_words("train", line.split(), PARAMETERS, words)


@pytest.mark.parametrize("line", ["--batch-size 8", "--batch_size 8", "--batch-size=8", "--batch_size=8"])
def test_dashes_underscores_space_and_equals_are_equivalent(line):
    assert read(line).values == {"batch_size": "8"}


@pytest.mark.parametrize("line", ["--seeds 0 1 2", "--seeds 0,1,2", "--seeds=0,1,2", "--seeds [0,1,2]"])
def test_numbers_may_be_listed_in_each_usual_way(line):
    assert json.loads(read(line).values["seeds"]) == [0, 1, 2]


def test_texts_with_commas_stay_whole():
    (value,) = read("cbam:reduction=8,kernel_size=3 eca").values.values()
    assert json.loads(value) == ["cbam:reduction=8,kernel_size=3", "eca"]


def test_switches_need_no_value_and_can_be_negated():
    assert read("--resume --no-progress").values == {"resume": "true", "progress": "false"}
    assert read("--resume false a.png").values == {"resume": "false", "images": '["a.png"]'}


def test_none_is_none_only_where_it_may_be():
    assert read("--attention none").values == {"attention": "null"}
    assert read("--data none").values == {"data": "none"}


def test_a_negative_number_is_a_value():
    assert read("--batch-size -3").values == {"batch_size": "-3"}


def test_after_two_dashes_everything_is_a_word():
    assert read("--data d -- --odd.png").values == {"data": "d", "images": '["--odd.png"]'}


def test_every_command_has_run_file_and_print_config():
    typed = read("--config a.yaml --print-config")
    assert typed.run_file == Path("a.yaml")
    assert typed.print_config


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--bacth-size 3", "Did you mean --batch-size?"),
        ("-d x", "no option -d"),
        ("--data", "--data needs a value"),
        ("--data --resume", "--data needs a value"),
        ("--seeds", "--seeds needs a value"),
        ("--config", "--config needs a file"),
        ("--data a --data b", "given twice"),
        ("--images a.png b.png --data x -- c.png", "given twice"),
        ("--no-data", "--no-data does not exist"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(line, said):
    with pytest.raises(UsageError, match=said):
        read(line)


def test_surplus_positional_arguments_are_refused():
    with pytest.raises(UsageError, match="takes options only, so 'a' is not allowed"):
        read("a", words=None)
    with pytest.raises(UsageError, match="takes one data, but 2 were given"):
        read("a b", words="data")


def test_nothing_near_suggests_nothing():
    assert nearest("zzz", ["alpha"]) == ""


def test_pretrained_option_gets_a_hint():
    with pytest.raises(UsageError, match=r"has no option --pretrained\. Nothing is downloaded: .*--weights FILE"):
        read_words("train", ["--pretrained"], {}, None)


def test_a_file_name_of_any_bytes_passes():
    name = "/tmp/\udcb9\udcb7/\U0001f431.png"
    typed = read_words("predict", [name], PARAMETERS, "images")
    typed.values["images"].encode("utf-8")
    assert restore(yaml.safe_load(typed.values["images"])) == [name]
