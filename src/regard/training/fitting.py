"""Training of a network, from the start or from its last checkpoint."""

import signal
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.seed import isolate_rng
from rich.console import Console
from torch import Tensor, nn

from regard.core.batch import Batch
from regard.core.devices import resolve_device
from regard.core.epochs import Epoch
from regard.core.errors import OptionError, TrainingError
from regard.core.run_record import RunRecord
from regard.training.checkpoints import SafetensorsIO
from regard.training.history import History
from regard.training.module import TaskModule
from regard.training.optimisation import moving_average
from regard.training.precision import check_precision
from regard.training.progress import ProgressBar
from regard.training.quiet import quiet
from regard.training.recipe import Recipe
from regard.training.repeatable import Epochs, Seeds
from regard.training.saving import LAST, Identity, Position, Saving, read_position
from regard.training.tasks.task import Task
from regard.training.weights import save_weights, weights_metadata

WEIGHTS = "weights.safetensors"
_PLUGINS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


@dataclass(frozen=True)
class Fit:
    """The result of a training run besides the trained network.

    Attributes:
        history: a row for each epoch.
        seconds: duration of all epochs, those before a resumption included.
        epochs: number of epochs.
        steps: number of steps.
        kept_epoch: epoch whose weights the network has.
    """

    history: tuple[Epoch, ...]
    seconds: float
    epochs: int
    steps: int
    kept_epoch: int


def fit(
    net: nn.Module,
    recipe: Recipe,
    task: Task[Any, Any],
    train_loader: Iterable[Batch],
    val_loader: Iterable[Batch] | None,
    *,
    folder: str | Path | None,
    seed: int,
    device: str | torch.device = "auto",
    progress: bool = True,
    logs: bool = True,
    resume: bool = False,
    run: RunRecord | None = None,
) -> Fit:
    """Trains `net` in place; on one machine the result depends on the arguments only, also after resuming.

    Args:
        net: a network for the task; it is on the CPU afterwards.
        recipe: settings of the training.
        task: the task to train for.
        train_loader: a sized loader of `core.Batch`; `set_epoch` of its sampler is called if there is one.
        val_loader: validation examples for each epoch, or None.
        folder: folder for `last.safetensors`, `weights.safetensors` and the logs; None writes nothing.
        seed: random seed of the order, the augmentation and the steps.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: True to show a progress bar in a terminal.
        logs: True to write CSV and TensorBoard logs to `folder`.
        resume: continue after the last complete epoch in `folder`, or start if there is none; `net` must have its
            initial state.
        run: record of the run, for the metadata of `weights.safetensors`; without it the file cannot be loaded by name.

    Returns:
        The run's history.

    Raises:
        OptionError: the device is not available, or the recipe does not fit it or the loaders.
        TrainingError: the loss is not finite, or the device's memory is full.
        CheckpointError: the checkpoint to resume from belongs to another run or is damaged.
        RunError: the disk is full.
        KeyboardInterrupt: Ctrl-C; the message names the last complete epoch.
    """
    torch_device = resolve_device(device)
    check_precision(recipe.precision, torch_device)
    loader = Epochs(train_loader, seed)
    _check_loaders(recipe, loader, val_loader)
    path = None if folder is None else Path(folder)
    identity = Identity(recipe.to_json(), seed, task.to_json(), len(loader))
    last = None if path is None else path / LAST
    start = read_position(last, identity, net) if resume and last is not None and last.exists() else Position(0, 0)
    module = TaskModule(net, recipe, task, len(loader), seed)
    history = History()
    callbacks = _callbacks(module, loader, history, path, identity, progress=progress, logs=logs)
    with quiet(), isolate_rng(), _errors(recipe, history), _use_memory_format(net, recipe):
        trainer = _trainer(recipe, torch_device, callbacks, path, validate=val_loader is not None)
        if start.epoch < recipe.epochs:
            net.train().to(memory_format=torch.channels_last if recipe.channels_last else torch.preserve_format)
            trainer.fit(module, loader, val_loader, ckpt_path=last if start.epoch else None)
        else:
            assert last is not None
            _load_finished(last, module, history)
    return _finish(net, history, recipe, path, identity, run)


def _check_loaders(recipe: Recipe, loader: Epochs, val_loader: object) -> None:
    if not isinstance(loader.loader, Sized) or len(loader) == 0:
        raise OptionError(
            "fit: the training loader must have a length of at least one batch; with drop_last there must be at least "
            f"batch_size={recipe.batch_size} examples: choose a smaller batch size."
        )
    if recipe.keep == "best" and val_loader is None:
        raise OptionError("fit: keep='best' needs validation: pass val_loader, or use keep='last'.")


def _callbacks(
    module: TaskModule,
    loader: Epochs,
    history: History,
    folder: Path | None,
    identity: Identity,
    *,
    progress: bool,
    logs: bool,
) -> list[L.Callback]:
    """Returns the callbacks in order: the history precedes weight averaging, logs and progress bar follow it."""
    recipe = module.recipe
    made: list[L.Callback] = [Seeds(loader), history]
    if recipe.ema:
        made.append(WeightAveraging(use_buffers=True, multi_avg_fn=moving_average(recipe.ema)))
    if folder is not None and logs:
        from regard.training.logs import Logs

        made.append(Logs(folder, history))
    console = Console(stderr=True)
    if progress and console.is_terminal:
        made.append(ProgressBar(history, console))
    if folder is not None:
        made.append(Saving(folder / LAST, identity, recipe.save_every))
    return made


def _trainer(
    recipe: Recipe, device: torch.device, callbacks: list[L.Callback], folder: Path | None, *, validate: bool
) -> L.Trainer:
    return L.Trainer(
        accelerator=device.type,
        devices=[device.index] if device.index is not None else 1,
        precision=_PLUGINS[recipe.precision],  # type: ignore[arg-type]
        max_epochs=recipe.epochs,
        callbacks=callbacks,
        plugins=[SafetensorsIO()],
        gradient_clip_val=recipe.clip or None,
        limit_val_batches=None if validate else 0,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=folder is not None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


@contextmanager
def _use_memory_format(net: nn.Module, recipe: Recipe) -> Iterator[None]:
    """Converts the inputs of `net` to channels-last within the context, if the recipe sets it."""
    handle = net.register_forward_pre_hook(_channels_last) if recipe.channels_last else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def _channels_last(net: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Converts inputs with four axes to channels-last."""
    return tuple(
        x.contiguous(memory_format=torch.channels_last) if isinstance(x, Tensor) and x.ndim == 4 else x for x in inputs
    )


@contextmanager
def _errors(recipe: Recipe, history: History) -> Iterator[None]:
    """Translates errors that a user can fix; restores Ctrl-C, which Lightning turns into an exit."""
    handler = _interrupt_handler()
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"The device ran out of memory with batch_size={recipe.batch_size}: use a smaller --batch-size, or "
            f"--precision bfloat16. ({str(error).partition('. ')[0]}.)"
        ) from error
    except torch._dynamo.exc.TorchDynamoException as error:
        raise TrainingError(
            f"torch.compile failed ({type(error).__name__}: {str(error).strip().splitlines()[0]}): train without "
            "--compile, or install a C++ compiler."
        ) from error
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt(f"Stopped after {len(history.rows)} of {recipe.epochs} epochs.") from error
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


def _interrupt_handler() -> Callable[..., Any] | int | None:
    """Returns the handler of Ctrl-C if this thread may set it, else None."""
    import threading

    return signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None


def _load_finished(last: Path, module: TaskModule, history: History) -> None:
    """Loads the result from the checkpoint of the last epoch, if a run was stopped just after it."""
    checkpoint = SafetensorsIO().load_checkpoint(last)
    module.load_state_dict(checkpoint["state_dict"])
    history.load_state_dict(checkpoint["callbacks"][history.state_key])


def _finish(
    net: nn.Module,
    history: History,
    recipe: Recipe,
    folder: Path | None,
    identity: Identity,
    run: RunRecord | None,
) -> Fit:
    rows = history.rows
    if history.best is not None:
        net.load_state_dict(history.best)
    if folder is not None:
        save_weights(folder / WEIGHTS, net, weights_metadata(recipe, identity.seed, rows, run))
    return Fit(rows, sum(row.seconds for row in rows), len(rows), rows[-1].step, history.best_epoch or recipe.epochs)
