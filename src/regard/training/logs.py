"""Logs of a run: a row for each step and each epoch as CSV, and both as TensorBoard events."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from time import time
from typing import Any

import lightning as L
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import scalar

from regard.core.batch import Batch
from regard.core.files import replacing, unwritable, write_whole
from regard.training.history import History, to_csv
from regard.training.module import TaskModule
from regard.training.weights import RESUME

EPOCHS, STEPS, EVENTS = "epochs.csv", "steps.csv", "tensorboard/events.out.tfevents.0.regard"
_COLUMNS = ("step", "epoch", "lr", "loss")
_POINTS = 2000


class _Files:
    """The open log files; rows may stay in memory until `flush`."""

    def __init__(self, folder: Path) -> None:
        self._steps = (folder / STEPS).open("a", encoding="utf-8", newline="")
        self._events = (folder / EVENTS).open("ab")

    def row(self, *cells: float) -> None:
        """Adds a row to the CSV of steps."""
        csv.writer(self._steps, lineterminator="\n").writerow(cells)

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Adds a number to the TensorBoard events."""
        event = Event(wall_time=time(), step=step, summary=scalar(tag, value))
        RecordWriter(self._events).write(event.SerializeToString())

    def flush(self) -> None:
        """Passes all rows to the operating system."""
        self._steps.flush()
        self._events.flush()

    def close(self) -> None:
        """Flushes and closes both."""
        with self._steps, self._events:
            self.flush()


class Logs(L.Callback):
    """Writes `epochs.csv`, `steps.csv` (at most about 2,000 rows) and `tensorboard/`.

    Rows after the run's last checkpoint are removed first, so that the logs of a resumed run equal those of a run that
    never stopped.

    Args:
        folder: folder of the run.
        history: source of each epoch's row; it must precede this in the list of callbacks.
    """

    def __init__(self, folder: Path, history: History) -> None:
        self.folder = folder
        self.history = history
        self._every = 1
        self._files: _Files | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Cuts the logs to the current step of the run, and opens them."""
        assert isinstance(pl_module, TaskModule)
        self._every = ceil((trainer.max_epochs or 0) * trainer.num_training_batches / _POINTS)
        with translate_disk_errors(self.folder):
            cut_steps(self.folder / STEPS, trainer.global_step, pl_module.task.part_names)
            cut_events(self.folder / EVENTS, trainer.global_step)
            write_whole(self.folder / EPOCHS, to_csv(self.history.rows).encode(), remedy=RESUME)
            self._files = _Files(self.folder)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Writes the step's loss and the learning rate that it used."""
        step = trainer.global_step
        if step % self._every and step != 1:
            return
        assert self._files is not None
        assert isinstance(pl_module, TaskModule)
        loss, rate = float(outputs["loss"]), pl_module.rate_at(step - 1)
        parts = {name: float(outputs["parts"][name]) for name in pl_module.task.part_names}
        with translate_disk_errors(self.folder):
            self._files.row(step, trainer.current_epoch + 1, rate, loss, *parts.values())
            for name, value in {"loss": loss, **parts, "lr": rate}.items():
                self._files.scalar(f"train/{name}", value, step)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Writes the epoch's row; it is on the disk before the checkpoint."""
        assert self._files is not None
        row = self.history.rows[-1]
        with translate_disk_errors(self.folder):
            for name, value in row.numbers().items():
                if name.startswith(("train_", "val_")):
                    self._files.scalar(f"epoch/{name}", value, row.step)
            self._files.flush()
            write_whole(self.folder / EPOCHS, to_csv(self.history.rows).encode(), remedy=RESUME)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Closes the files."""
        if self._files is not None:
            with translate_disk_errors(self.folder):
                self._files.close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Closes the files."""
        if self._files is not None:
            with suppress(OSError):
                self._files.close()


@contextmanager
def translate_disk_errors(folder: Path) -> Iterator[None]:
    """Turns an error of the disk into a `RunError` that names the folder and the remedy."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder / "logs", error.strerror or str(error), remedy=RESUME) from error


def cut_steps(path: Path, step: int, parts: Sequence[str] = ()) -> None:
    """Keeps the rows of `path` up to `step`; a file that does not exist gets its header, `parts` its last columns."""
    columns = (*_COLUMNS, *parts)
    rows = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(columns) and row[0].isdigit()]
    with replacing(path, remedy=RESUME) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(row for row in rows if int(row[0]) <= step)


def cut_events(path: Path, step: int) -> None:
    """Keeps the TensorBoard events in `path` up to `step`; a file that does not exist gets its first record."""
    kept = [Event(wall_time=time(), file_version="brain.Event:2").SerializeToString()]
    if path.exists():
        records = [record for record in RawEventFileLoader(str(path)).Load() if record]
        events = [Event.FromString(record) for record in records]
        kept += [r for r, e in zip(records, events, strict=True) if e.HasField("summary") and e.step <= step]
    with replacing(path, remedy=RESUME) as aside, aside.open("wb") as file:
        for record in kept:
            RecordWriter(file).write(record)
