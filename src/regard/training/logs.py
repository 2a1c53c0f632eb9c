"""Logs of a run: a row for each step and each epoch as CSV, and both as TensorBoard events."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from math import ceil
from pathlib import Path
from typing import Any

import lightning as L
from torch.utils.tensorboard import SummaryWriter

from regard.core.batch import Batch
from regard.training.atomic import replacing, unwritable, write_text
from regard.training.classification import Classification
from regard.training.history import History, to_csv

EPOCHS, STEPS, EVENTS = "epochs.csv", "steps.csv", "tensorboard"
_COLUMNS = ("step", "epoch", "lr", "loss")
_POINTS = 2000


@dataclass(frozen=True)
class _Files:
    steps: TextIOWrapper
    events: SummaryWriter


class Logs(L.Callback):
    """Writes `epochs.csv`, `steps.csv` (about 2,000 rows whatever the number of steps) and `tensorboard/`.

    Whatever lies there from after the run's last checkpoint is cut off first, so that a resumed run's logs are those
    of a run that never stopped.

    Args:
        folder: the run's.
        history: where each epoch's row comes from; it must come earlier in the list of callbacks.
    """

    def __init__(self, folder: Path, history: History) -> None:
        self.folder = folder
        self.history = history
        self._every = 1
        self._files: _Files | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Cuts the logs back to the step that the run stands at, and opens them."""
        self._every = ceil((trainer.max_epochs or 0) * trainer.num_training_batches / _POINTS)
        with writing(self.folder):
            cut_steps(self.folder / STEPS, trainer.global_step)
            cut_events(self.folder / EVENTS, trainer.global_step)
            write_text(self.folder / EPOCHS, to_csv(self.history.rows))
            steps = (self.folder / STEPS).open("a", encoding="utf-8", newline="")
            self._files = _Files(steps, SummaryWriter(str(self.folder / EVENTS)))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Writes the step's loss and the learning rate that it used."""
        step = trainer.global_step
        if step % self._every and step != 1:
            return
        assert self._files is not None
        assert isinstance(pl_module, Classification)
        loss, rate = float(outputs["loss"]), pl_module.rate_at(step - 1)
        with writing(self.folder):
            csv.writer(self._files.steps, lineterminator="\n").writerow((step, trainer.current_epoch + 1, rate, loss))
            self._files.events.add_scalar("train/loss", loss, step)
            self._files.events.add_scalar("train/lr", rate, step)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Writes the epoch's row; all of it is on the disk before the checkpoint is."""
        assert self._files is not None
        row = self.history.rows[-1]
        with writing(self.folder):
            self._files.steps.flush()
            for name in ("train_loss", "val_loss", "val_accuracy", "val_map"):
                if (value := getattr(row, name)) is not None:
                    self._files.events.add_scalar(f"epoch/{name}", value, row.step)
            self._files.events.flush()
            write_text(self.folder / EPOCHS, to_csv(self.history.rows))

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Closes the files, also after an error."""
        if self._files is not None:
            with writing(self.folder):
                self._files.steps.close()
                self._files.events.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Inside, an error of the disk becomes a `CheckpointError` that names the folder and the remedy."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder / "logs", error.strerror or str(error)) from error


def cut_steps(path: Path, step: int) -> None:
    """Keeps the rows of `path` up to `step`; a file that does not exist gets its header."""
    rows = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(_COLUMNS) and row[0].isdigit()]
    with replacing(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        table.writerows(row for row in rows if int(row[0]) <= step)


def cut_events(folder: Path, step: int) -> None:
    """Keeps the TensorBoard events in `folder` up to `step`."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    for path in sorted(folder.glob("events.out.tfevents.*")) if folder.is_dir() else ():
        kept = []
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            if event.HasField("file_version") or event.step <= step:
                kept.append(record)
        with replacing(path) as aside, aside.open("wb") as file:
            writer = RecordWriter(file)
            for record in kept:
                writer.write(record)
