"""Networks that nothing is inserted into, each with the order that works."""

from torch import nn
from torch.jit import ScriptModule
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy

from regard.core.errors import SurgeryError

_QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.q", "torch.ao.nn.qat", "torch.ao.quantization.observer")
_QUANTISED_TOO = ("torch.ao.quantization.fake_quantize", "torchao.")


def refuse(net: nn.Module) -> None:
    """Raises a `SurgeryError` for a network that was compiled, wrapped, scripted, quantised or not yet given shapes."""
    if not isinstance(net, nn.Module):
        raise SurgeryError(f"{type(net).__name__} is no network: give a torch.nn.Module.")
    for path, module in net.named_modules():
        reason = _reason(module)
        if reason is not None:
            where = "" if path in ("", "_orig_mod", "module") else f" ({path})"
            raise SurgeryError(f"{type(net).__name__}{where}: nothing can be inserted, because {reason}")


def _reason(module: nn.Module) -> str | None:
    home = type(module).__module__
    if module._compiled_call_impl is not None or (home.startswith("torch._dynamo") and hasattr(module, "_orig_mod")):
        return "it is compiled, and a compiled network may go on with its old code: insert first, then compile."
    if isinstance(module, DataParallel | DistributedDataParallel) or home.startswith("torch.distributed"):
        return (
            "it is wrapped for several devices, and its gradients would not be synchronised: insert into the network "
            "itself, then wrap it."
        )
    if isinstance(module, ScriptModule):
        return "it was scripted by TorchScript, so its code is fixed: insert into the Python network, then script it."
    if home.startswith((*_QUANTISED, *_QUANTISED_TOO)):
        return "it is quantised, and attention would not be: insert first, train, then quantise."
    if any(is_lazy(t) for t in (*module._parameters.values(), *module._buffers.values()) if t is not None):
        return "its lazy layers have no shapes yet: run one batch through it, then insert."
    return None
