import json
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from regard.core import CheckpointError, RunError, Scores
from regard.core.coding import decode, encode


@dataclass(frozen=True)
class Inner:
    number: int


@dataclass(frozen=True)
class Outer:
    share: float
    inner: Inner | None
    rows: tuple[tuple[float, ...], ...]
    pair: tuple[int, int]
    table: dict[str, int]
    word: Literal["a", "b"]
    scalar: str | int | float | bool | None
    flag: bool = False


WHOLE = Outer(0.5, Inner(3), ((1.0, 2.0), ()), (4, 5), {"train": 6}, "a", "seven", True)


def as_json(value):
    return json.loads(json.dumps(encode(value), allow_nan=False))


def test_what_was_encoded_decodes_to_the_same_record():
    assert decode(Outer, as_json(WHOLE), "file") == WHOLE


def test_none_and_every_scalar_survive():
    for scalar in (None, True, 3, 2.5, "x"):
        record = Outer(0.5, None, (), (4, 5), {}, "b", scalar)
        back = decode(Outer, as_json(record), "file")
        assert back == record
        assert type(back.scalar) is type(scalar)


def test_non_finite_floats_become_null_and_nan():
    for share in (math.nan, math.inf):
        text = as_json(Outer(share, None, (), (4, 5), {}, "a", None))
        assert text["share"] is None
        assert math.isnan(decode(Outer, text, "file").share)


def test_numpy_numbers_are_plain_numbers_in_the_file():
    assert json.dumps(encode((np.float32(0.5), np.int64(3), np.bool_(True)))) == "[0.5, 3, true]"


def test_a_field_with_a_default_may_be_missing():
    text = as_json(WHOLE)
    del text["flag"]
    assert decode(Outer, text, "file").flag is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": "much"}, r"share = 'much'"),
        ({"share": True}, r"share = True"),
        ({"inner": {"number": 1.5}}, r"inner\.number = 1\.5.*whole number"),
        ({"inner": {"number": True}}, r"inner\.number = True"),
        ({"inner": {}}, r"lacks the field 'inner\.number'"),
        ({"inner": {"number": 1, "colour": 2}}, r"unknown field 'inner\.colour'"),
        ({"inner": [1]}, r"inner = \[1\].*Inner"),
        ({"rows": [[1.0], ["x"]]}, r"rows\[1\]\[0\] = 'x'"),
        ({"rows": 3}, r"rows = 3.*array"),
        ({"pair": [1, 2, 3]}, r"pair = \[1, 2, 3\].*array of 2"),
        ({"table": {"train": None}}, r"table\.train = None"),
        ({"table": []}, r"table = \[\].*object"),
        ({"word": "c"}, r"word = 'c'.*'a', 'b'"),
        ({"scalar": [1]}, r"scalar = \[1\]"),
        ({"flag": 1}, r"flag = 1"),
        ({"colour": 1}, r"unknown field 'colour'"),
    ],
)
def test_an_error_names_file_path_and_value(change, message):
    with pytest.raises(RunError, match=message) as error:
        decode(Outer, as_json(WHOLE) | change, "runs/a/results.json")
    assert str(error.value).startswith("runs/a/results.json ")


def test_a_missing_field_is_named():
    text = as_json(WHOLE)
    del text["pair"]
    with pytest.raises(RunError, match="lacks the field 'pair'"):
        decode(Outer, text, "file")


def test_the_caller_names_remedy_and_kind_of_error():
    with pytest.raises(CheckpointError, match=r"^file lacks the field .*: train again\.$"):
        decode(Outer, {}, "file", remedy="train again", error=CheckpointError)


def test_a_value_that_the_record_refuses_is_named():
    scores = {"all": [], "choice": "accuracy"}
    with pytest.raises(RunError, match=r"^file has its outermost value that cannot be .*choice='accuracy'"):
        decode(Scores, scores, "file")
