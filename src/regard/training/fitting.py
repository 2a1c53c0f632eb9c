"""Training a network from the first epoch to the last, or from where it was stopped."""

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
from regard.training.saving import LAST, Identity, Saving, Standing, standing
from regard.training.tasks.task import Task
from regard.training.weights import save_weights, weights_metadata

WEIGHTS = "weights.safetensors"
_PLUGINS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


@dataclass(frozen=True)
class Fit:
    """What a training run left besides the trained network.

    Attributes:
        history: a row for each epoch.
        seconds: of all epochs, those before a resumption included.
        epochs: how many.
        steps: how many in all.
        kept_epoch: the epoch whose weights the network has.
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
    """Trains `net` in place; on one machine the result depends on the arguments only, however often it was resumed.

    Args:
        net: what the task takes; it comes back on the CPU.
        recipe: how to train.
        task: what to train it to do.
        train_loader: a sized loader of `core.Batch`; where its sampler has `set_epoch`, that is called.
        val_loader: the examples that each epoch is judged by, or None.
        folder: gets `last.safetensors`, `weights.safetensors` and the logs; None writes nothing.
        seed: of the order, the augmentation and whatever the steps draw.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: whether a terminal gets a progress bar.
        logs: whether `folder` gets CSV and TensorBoard logs.
        resume: go on after the last complete epoch in `folder`, or begin where there is none; `net` must be as it was
            when the run began.
        run: what the run is, for the metadata of `weights.safetensors`: without it no network can be built from there.

    Returns:
        The run's history.

    Raises:
        OptionError: a device that is absent, or a recipe that it or the loaders cannot serve.
        TrainingError: the loss is no longer a number, or the device's memory is full.
        CheckpointError: the checkpoint to resume from is another run's or damaged.
        RunError: the disk is full.
        KeyboardInterrupt: Ctrl-C; its text names the last complete epoch.
    """
    place = resolve_device(device)
    check_precision(recipe.precision, place)
    loader = Epochs(train_loader, seed)
    _check_loaders(recipe, loader, val_loader)
    path = None if folder is None else Path(folder)
    identity = Identity(recipe.to_json(), seed, task.to_json(), len(loader))
    last = None if path is None else path / LAST
    begun = standing(last, identity, net) if resume and last is not None and last.exists() else Standing(0, 0)
    module = TaskModule(net, recipe, task, len(loader), seed)
    history = History()
    callbacks = _callbacks(module, loader, history, path, identity, progress=progress, logs=logs)
    with quiet(), isolate_rng(), _errors(recipe, history), _laid_out(net, recipe):
        trainer = _trainer(recipe, place, callbacks, path, validate=val_loader is not None)
        if begun.epoch < recipe.epochs:
            net.train().to(memory_format=torch.channels_last if recipe.channels_last else torch.preserve_format)
            trainer.fit(module, loader, val_loader, ckpt_path=last if begun.epoch else None)
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
    """In an order that matters: the history looks before the averaged weights go, logs and bar look at the history."""
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
def _laid_out(net: nn.Module, recipe: Recipe) -> Iterator[None]:
    """Inside, what `net` takes lies channels-last where the recipe says so."""
    handle = net.register_forward_pre_hook(_channels_last) if recipe.channels_last else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def _channels_last(net: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs, those of four axes channels-last."""
    return tuple(
        x.contiguous(memory_format=torch.channels_last) if isinstance(x, Tensor) and x.ndim == 4 else x for x in inputs
    )


@contextmanager
def _errors(recipe: Recipe, history: History) -> Iterator[None]:
    """Says what a user can put right; gives Ctrl-C back, which Lightning turns into an exit with signals ignored."""
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
    """The handler of Ctrl-C where this thread may set it again, else None."""
    import threading

    return signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None


def _load_finished(last: Path, module: TaskModule, history: History) -> None:
    """Takes the result out of the checkpoint of the last epoch, where a run was stopped just after it."""
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
