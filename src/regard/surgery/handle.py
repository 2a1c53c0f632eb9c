"""The handle of what was inserted into a network: optimizers, files, and the way back."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from regard.core.errors import OptionError, SurgeryError
from regard.core.files import replacing
from regard.surgery.attended import CHILD, detach, is_attended

ENTRY = "regard"
KIND = "surgery"


class Handle:
    """The modules inserted into a network. As a context they are taken out at the end of the block.

    Args:
        net: the network.
        inserted: the modules by the paths of their hosts.
        plan: the plan in JSON's types.
    """

    def __init__(self, net: nn.Module, inserted: Mapping[str, nn.Module], plan: Mapping[str, Any]) -> None:
        self.net = net
        self.paths = tuple(inserted)
        self.plan = dict(plan)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The inserted modules that are in the network now, by the paths of their hosts."""
        hosts = dict(self.net.named_modules())
        return {p: hosts[p]._modules[CHILD] for p in self.paths if p in hosts and is_attended(hosts[p])}

    def parameters(self) -> Iterator[nn.Parameter]:
        """The inserted parameters alone."""
        for module in self.modules.values():
            yield from module.parameters()

    def update(self, optimizer: Optimizer, **settings: Any) -> None:
        """Adds the inserted parameters to an optimizer that exists; those that it has already are left as they are.

        They get the settings of the optimizer's first group; single scalars (`strength`) have no weight decay.

        Args:
            optimizer: any of PyTorch's kind.
            settings: for the new groups, such as `lr`.

        Raises:
            SurgeryError: nothing is inserted any more, or it is no optimizer.
            OptionError: a setting that the optimizer does not have.
        """
        self._expect_inserted()
        if not isinstance(getattr(optimizer, "param_groups", None), list):
            raise SurgeryError(f"{optimizer!r} is no optimizer: give one of PyTorch's kind, with groups of parameters.")
        for name in settings:
            if name not in optimizer.param_groups[0] or name == "params":
                there = ", ".join(one for one in optimizer.param_groups[0] if one != "params")
                kind = type(optimizer).__name__
                raise OptionError(f"update: {kind} has no setting {name!r} of a group; there are: {there}.")
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        new = [p for p in self.parameters() if id(p) not in known]
        first = {
            name: value for name, value in optimizer.param_groups[0].items() if name not in ("params", "param_names")
        }
        for parameters, extra in (
            ([p for p in new if p.ndim], {}),
            ([p for p in new if not p.ndim], {"weight_decay": 0.0} if "weight_decay" in first else {}),
        ):
            if parameters:
                optimizer.add_param_group({**first, **extra, **settings, "params": parameters})

    def state(self) -> dict[str, Tensor]:
        """The inserted weights by their keys in the network's state dict."""
        return {
            f"{path}.{CHILD}.{key}" if path else f"{CHILD}.{key}": value
            for path, module in self.modules.items()
            for key, value in module.state_dict().items()
        }

    def save(self, path: str | Path) -> Path:
        """Writes the inserted weights and the plan, as one file of safetensors with JSON metadata.

        Raises:
            SurgeryError: nothing is inserted any more.
            RunError: the file cannot be written.
        """
        self._expect_inserted()
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in self.state().items()}
        metadata = {"format": "pt", ENTRY: json.dumps({"kind": KIND, "plan": self.plan})}
        path = Path(path)
        with replacing(path) as aside:
            save_file(tensors, aside, metadata=metadata)
        return path

    def revert(self) -> None:
        """Takes out what was inserted; the network is as it was before. A second call does nothing."""
        hosts = dict(self.net.named_modules())
        for path in self.paths:
            if path in hosts and is_attended(hosts[path]):
                detach(hosts[path])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.revert()

    def __repr__(self) -> str:
        return f"Handle({self.plan.get('mechanism')} at {len(self.modules)} sites of {type(self.net).__name__})"

    def _expect_inserted(self) -> None:
        if not self.modules:
            raise SurgeryError(f"{self!r}: what it inserted is not in the network any more: apply the plan again.")
