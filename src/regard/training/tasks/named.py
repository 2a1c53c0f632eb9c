"""The tasks by name."""

from collections.abc import Callable
from typing import Any

from regard.core.errors import CheckpointError
from regard.core.run_record import TaskRecord
from regard.training.tasks.classification import Classification
from regard.training.tasks.glimpses import Glimpses
from regard.training.tasks.sequences import Sequences
from regard.training.tasks.task import Task

TASKS: dict[str, Callable[[TaskRecord, str], Task[Any, Any]]] = {
    Classification.name: lambda record, where: Classification(record.classes, **record.options),
    Glimpses.name: lambda record, where: Glimpses(record.classes, **record.options),
    Sequences.name: lambda record, where: Sequences.from_options(record.options, where),
}
"""The function that creates each task from its record."""


def named_task(record: TaskRecord, where: str) -> Task[Any, Any]:
    """Creates the task of the record in the file `where`.

    Raises:
        CheckpointError: there is no such task, or it has no such options; the message names file, field and remedy.
    """
    remedy = "read the file with the version of regard that wrote it, or train again."
    if record.name not in TASKS:
        known = ", ".join(map(repr, TASKS))
        raise CheckpointError(
            f"{where} has run.task.name = {record.name!r}, but this version has the tasks {known}: {remedy}"
        )
    try:
        return TASKS[record.name](record, where)
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"{where} has run.task.options = {record.options!r} ({error}): {remedy}") from error
