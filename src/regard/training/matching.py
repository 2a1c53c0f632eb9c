"""Maps the names of weights from other sources to those of a network: prefixes, heads, layouts of mechanisms."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from regard.core.errors import CheckpointError
from regard.core.layout import Layout
from regard.core.mechanism import Mechanism

State = dict[str, Tensor]
Layouts = Callable[[Mechanism], Sequence[Layout]]
"""A function that returns the layouts of a mechanism in other libraries."""


@dataclass
class Matched:
    """Weights under the names of a network.

    Attributes:
        state: tensors by the network's own names.
        remarks: the changes of names, a clause each.
        single: True if they are those of a single mechanism, and the rest is newly initialised.
    """

    state: State
    remarks: list[str] = field(default_factory=list)
    single: bool = False


def attention_paths(net: nn.Module) -> list[str]:
    """Returns the paths of the mechanisms that are not part of another."""
    paths = [path for path, module in net.named_modules() if isinstance(module, Mechanism)]
    return [path for path in paths if not any(inside(path, other) for other in paths if other != path)]


def own_layouts(module: Mechanism) -> tuple[Layout, ...]:
    """Returns the layouts on the mechanism's class."""
    return module.layouts


def match(net: nn.Module, state: Mapping[str, Tensor], classes: int, layouts: Layouts = own_layouts) -> Matched:
    """Renames weights to the network's names, as far as possible.

    Args:
        net: the network.
        state: tensors by the names of the file.
        classes: number of outputs of `net`.
        layouts: returns the layouts of a mechanism in other libraries.

    Raises:
        CheckpointError: these are the weights of a single mechanism, and several of the network's fit.
    """
    own = net.state_dict()
    matched = _without_prefix(own, dict(state))
    _read_layouts(net, own, matched, layouts)
    _name_head(net, own, matched, classes)
    if not set(matched.state) & set(own):
        _single_mechanism(net, dict(state), matched, layouts)
    return matched


def head_of(net: nn.Module, classes: int) -> str | None:
    """Returns the path of the classifier: the last layer with as many outputs as classes."""
    layers = [
        path
        for path, module in net.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.shape[0] == classes
    ]
    inner = [path for path in layers if not any(inside(path, other) for other in attention_paths(net))]
    return inner[-1] if inner else None


def inside(path: str, other: str) -> bool:
    """Returns True if a module or tensor is inside the module at `other`; everything is inside the network itself."""
    return not other or path.startswith(f"{other}.")


def _without_prefix(own: Mapping[str, Tensor], state: State) -> Matched:
    """Strips the prefix that makes the most names equal to the network's, if there is one."""
    ends = [name.split(".") for name in state]
    prefixes = {".".join(parts[:n]) + "." for parts in ends for n in range(1, len(parts))}
    best, most = "", sum(name in own for name in state)
    for prefix in sorted(prefixes, key=len):
        fitting = sum(name.removeprefix(prefix) in own for name in state if name.startswith(prefix))
        if fitting > most:
            best, most = prefix, fitting
    if not best:
        return Matched(state)
    stripped = {
        name.removeprefix(best): value for name, value in state.items() if name.removeprefix(best) not in state
    } | {name: value for name, value in state.items() if not name.startswith(best)}
    if len(stripped) < len(state):
        return Matched(state)
    return Matched(stripped, [f"the prefix {best!r} was stripped from the names"])


def _read_layouts(net: nn.Module, own: Mapping[str, Tensor], matched: Matched, layouts: Layouts) -> None:
    """Converts mechanisms in the layout of another library to ours."""
    read: dict[str, int] = {}
    for path in attention_paths(net):
        ours, theirs = _below(own, path), _below(matched.state, path)
        if not theirs or set(theirs) == set(ours):
            continue
        found = _in_a_layout(net.get_submodule(path), theirs, ours, layouts)
        if found is not None:
            library, converted = found
            rest = {n: v for n, v in matched.state.items() if n not in {_under(path, name) for name in theirs}}
            matched.state = rest | {_under(path, name): value for name, value in converted.items()}
            read[library] = read.get(library, 0) + 1
    for library, count in read.items():
        matched.remarks.append(
            f"{count} attention module{'s were' if count > 1 else ' was'} read in {library}'s layout"
        )


def _in_a_layout(module: nn.Module, theirs: State, ours: State, layouts: Layouts) -> tuple[str, State] | None:
    """Returns the library whose layout the weights have, and the weights in ours."""
    assert isinstance(module, Mechanism)
    like = {name: value for name, value in ours.items() if name != "strength"}
    for layout in layouts(module):
        if layout.unlike(module.options):
            continue
        try:
            return layout.library, layout.to_ours(theirs, like)
        except (CheckpointError, RuntimeError):
            continue
    return None


def _name_head(net: nn.Module, own: Mapping[str, Tensor], matched: Matched, classes: int) -> None:
    """Renames a head of another name to the network's; one of another shape is left out."""
    head = head_of(net, classes)
    if head is None or any(name in matched.state for name in own if inside(name, head)):
        return
    if not any(name in matched.state for name in own):
        return
    needed = _below(own, head)
    left = [name for name in matched.state if name not in own and not name.endswith("num_batches_tracked")]
    top = {name.split(".")[0] for name in left}
    weights = [matched.state[name] for name in left if name.endswith("weight") and matched.state[name].ndim > 1]
    if len(top) != 1 or not weights or weights[0].shape[1] != needed["weight"].shape[1]:
        return
    called = _common(left)
    theirs = _below(matched.state, called)
    same = set(theirs) == set(needed) and all(theirs[name].shape == value.shape for name, value in needed.items())
    rest = {name: value for name, value in matched.state.items() if name not in left}
    if same:
        rest |= {_under(head, name): value for name, value in theirs.items()}
        matched.remarks.append(f"the head {called!r} became {head!r}")
    else:
        matched.remarks.append(f"the head {called!r} of the file, of another shape or number of classes, was left out")
    matched.state = rest


def _single_mechanism(net: nn.Module, state: State, matched: Matched, layouts: Layouts) -> None:
    """Assigns weights of a single mechanism to the only module that they fit."""
    own = net.state_dict()
    fitting: dict[str, State] = {}
    for path in attention_paths(net):
        ours = _below(own, path)
        like = {name: value.shape for name, value in ours.items() if name != "strength"}
        if {name: value.shape for name, value in state.items()} == like:
            fitting[path] = state
        elif (found := _in_a_layout(net.get_submodule(path), state, ours, layouts)) is not None:
            fitting[path] = found[1]
    if not fitting:
        return
    if len(fitting) > 1:
        raise CheckpointError(
            f"These are the weights of a single mechanism, and {len(fitting)} of the network's have these shapes: "
            f"{', '.join(list(fitting)[:5])}{', ...' * (len(fitting) > 5)}. Choose one by adding its path as a "
            f"prefix to the names, for example {next(iter(fitting))}.{next(iter(state))}."
        )
    ((path, values),) = fitting.items()
    matched.state = {_under(path, name): value for name, value in values.items()}
    matched.single = True
    matched.remarks = [
        f"the weights of a single mechanism were loaded into {path or 'the module'}, the rest is newly initialised"
    ]


def _below(state: Mapping[str, Tensor], path: str) -> State:
    """Returns the tensors of the module at `path`, by their names in it."""
    return {name.removeprefix(f"{path}.") if path else name: v for name, v in state.items() if inside(name, path)}


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _common(names: Iterable[str]) -> str:
    """Returns the common path of all names."""
    parts: Sequence[Sequence[str]] = [name.split(".")[:-1] for name in names]
    common: list[str] = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return ".".join(common)
