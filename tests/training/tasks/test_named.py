import pytest

from regard.core import CheckpointError
from regard.core.run_record import TaskRecord
from regard.training import Classification, Glimpses
from regard.training.tasks.named import TASKS, named_task


def test_every_task_comes_back_from_its_record():
    assert list(TASKS) == ["classification", "glimpses", "sequences"]
    looking = Glimpses(("a", "b")).to_json()
    record = TaskRecord(name=looking["name"], options=looking["options"], classes=tuple(looking["classes"]))
    assert named_task(record, "file").to_json() == looking
    for several in (False, True):
        made = Classification(("a", "b"), multi_label=several).to_json()
        record = TaskRecord(name=made["name"], options=made["options"], classes=tuple(made["classes"]))
        assert named_task(record, "file").to_json() == made


def test_unknown_tasks_or_options_name_file_and_field():
    with pytest.raises(CheckpointError, match=r"^w\.safetensors has run\.task\.name = 'counting'.*version of regard"):
        named_task(TaskRecord(name="counting"), "w.safetensors")
    with pytest.raises(CheckpointError, match=r"^w\.safetensors has run\.task\.options = .*colour.*train again"):
        named_task(TaskRecord(name="classification", options={"colour": 1}, classes=("a",)), "w.safetensors")
