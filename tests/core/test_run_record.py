import json

import pytest

from regard.core import CheckpointError
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord

RECORD = RunRecord(
    network=NetworkRecord(name="resnet8", options={"attention": "se", "width": [4, 8, 8]}),
    input=InputRecord(kind="image", options={"size": [28, 28], "mean": [0.1 + 0.2]}),
    task=TaskRecord(name="classification", options={"multi_label": False}, classes=("a", "b")),
    data=DataRecord(name="fashion-mini", fingerprint="f00"),
)


def test_it_survives_json():
    assert RunRecord.from_json(json.loads(json.dumps(RECORD.to_json())), "file") == RECORD


def test_data_and_plan_may_be_absent():
    bare = {k: v for k, v in RECORD.to_json().items() if k not in ("data", "attention")}
    assert RunRecord.from_json(bare, "file").data is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("network", {"options": {}}, r"lacks the field 'network\.name'"),
        (
            "input",
            {"kind": "smell"},
            r"has input\.kind = 'smell', which must be one of 'image', 'text'",
        ),
        ("task", {"name": "x", "classes": "ab"}, r"has task\.classes = 'ab', which must be an array"),
        ("data", {"name": "x", "colour": 1}, r"has the unknown field 'data\.colour'"),
    ],
)
def test_a_damaged_record_names_file_field_and_remedy(field, value, said):
    with pytest.raises(CheckpointError, match=rf"^w\.safetensors {said}.*Train again with this version"):
        RunRecord.from_json(RECORD.to_json() | {field: value}, "w.safetensors")
