"""The kind of data that a run was trained on, by which a command chooses its story."""

from pathlib import Path

from regard.core.run_record import RunRecord
from regard.data.kinds import Kind
from regard.recipes.network import weights_path
from regard.training import load_weights


def kind_of_run(run: str | Path) -> Kind:
    """Returns the kind of data that the network of a run's folder or of a weights file was trained on.

    Raises:
        RegardError: there is no such run, or its file is damaged.
    """
    path = weights_path(run)
    record = RunRecord.from_json(load_weights(path)[1].get("run"), f"{path}: its record of the run")
    writes = record.input.kind == "image" and record.task.name == "sequences"
    return "caption" if writes else record.input.kind
