"""Inserts squeeze-and-excitation into the networks of timm and torchvision, and writes a table of what worked.

    python -m benchmarks.surgery --minutes 30 --out RESULTS.json
    python -m benchmarks.surgery --table RESULTS.json

The smallest network of every module of timm comes first, then all others under 50 million parameters, small ones first.
"""

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torchvision import models

import regard
from regard.core.errors import RegardError
from regard.recipes.console import say

MOST_PARAMETERS = 50_000_000
SIZE = 128
FEWEST = 2
"""Convolutions wider than one position: a patch embedding alone makes no convolutional network."""
TIME_OVER, TOO_LARGE = "the time was over", "it has 50 million parameters or more"
NOT_CONVOLUTIONAL = "it is not convolutional: at most one convolution, as a patch embedding, is wider than one position"


def main() -> None:
    """Runs the sweep, or prints the table of one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surgery", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path("surgery.json"))
    parser.add_argument("--table", type=Path, help="print the table of an earlier sweep")
    parser.add_argument("--sizes", type=Path, help="where the numbers of parameters are kept from sweep to sweep")
    parser.add_argument("--only", nargs="*", help="names of networks, as timm:resnet18")
    arguments = parser.parse_args()
    if arguments.table:
        sys.stdout.write(markdown(json.loads(arguments.table.read_text())) + "\n")
        return
    names = arguments.only or ordered_names(arguments.sizes)
    outside = {} if arguments.only else names_outside(arguments.sizes)
    end = time.monotonic() + 60 * arguments.minutes
    known = finished_rows(arguments.out)
    rows: list[dict[str, Any]] = []
    for name in names:
        if name in known:
            rows.append(known[name])
        elif time.monotonic() > end:
            rows.append({"network": name, "outcome": "left out", "reason": TIME_OVER})
        else:
            rows.append(examine(name))
            say(line(rows[-1]))
        result = {"size": SIZE, "torch": torch.__version__, "timm": timm.__version__, "rows": rows, "outside": outside}
        if name not in known:
            arguments.out.write_text(json.dumps(result))


def finished_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The networks that an earlier sweep with the same file has done; what failed is tried again."""
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    done = [row for row in rows if row["outcome"] == "works" or row.get("reason") == TOO_LARGE]
    return {row["network"]: row for row in done}


def ordered_names(cache: Path | None = None) -> list[str]:
    """torchvision's classifiers, then the smallest network of each module of timm, then timm's others by size."""
    sizes = sizes_of_timm(cache)
    first = smallest(sizes)
    others = sorted(set(sizes) - set(first), key=lambda name: (sizes[name], name))
    return [
        *(f"torchvision:{name}" for name in models.list_models(module=models)),
        *(f"timm:{n}" for n in (*first, *others)),
    ]


def sizes_of_timm(cache: Path | None = None) -> dict[str, int]:
    """The numbers of parameters of timm's convolutional networks that are small enough, kept in a file."""
    known = census(cache)
    return {name: one["parameters"] for name, one in known.items() if left_out(one) is None}


def census(cache: Path | None = None) -> dict[str, dict[str, Any]]:
    """Module, parameters and number of wide convolutions of every network of timm, kept in a file.

    A module whose first network has at most one wide convolution, such as that of vision transformers, is taken to have
    no others; its further networks are not built and have `convolutions` None.
    """
    if cache is not None and cache.exists():
        return json.loads(cache.read_text())
    found: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    for name in timm.list_models():
        module = timm.models.model_entrypoint(name).__module__.removeprefix("timm.models.")
        if seen.get(module, FEWEST) < FEWEST:
            found[name] = {"module": module, "parameters": None, "convolutions": None}
            continue
        parameters, convolutions = size(name)
        seen.setdefault(module, convolutions)
        found[name] = {"module": module, "parameters": parameters, "convolutions": convolutions}
    if cache is not None:
        cache.write_text(json.dumps(found))
    return found


def names_outside(cache: Path | None = None) -> dict[str, dict[str, list[str]]]:
    """timm's networks that are not in the sweep, by the reason and the module."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, one in census(cache).items():
        reason = left_out(one)
        if reason is not None:
            found.setdefault(reason, {}).setdefault(one["module"], []).append(name)
    return found


def left_out(one: dict[str, Any]) -> str | None:
    """The reason why a network of the census is not in the sweep, or None."""
    if one["convolutions"] is None or one["convolutions"] < FEWEST:
        return NOT_CONVOLUTIONAL
    return TOO_LARGE if one["parameters"] >= MOST_PARAMETERS else None


def smallest(sizes: dict[str, int]) -> list[str]:
    """The smallest convolutional network of each module of timm."""
    found: dict[str, str] = {}
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        found.setdefault(timm.models.model_entrypoint(name).__module__, name)
    return list(found.values())


def size(name: str) -> tuple[int, int]:
    """The parameters of a network of timm, and its convolutions wider than one position."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = timm.create_model(name)
    except Exception:  # networks that compute with their weights while they are built
        net = timm.create_model(name)
    wide = [m for m in net.modules() if isinstance(m, nn.Conv2d) and max(m.kernel_size) > 1]
    return sum(p.numel() for p in net.parameters()), len(wide)


def count_parameters(name: str) -> int:
    """The number of parameters of a network, built without memory where that is possible."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = build(name)
    except Exception:  # networks that compute with their weights while they are built
        net = build(name)
    return sum(p.numel() for p in net.parameters())


def build(name: str) -> nn.Module:
    """The network with random weights."""
    library, _, model = name.partition(":")
    if library == "timm":
        return timm.create_model(model)
    single = {"aux_logits": False, "init_weights": False} if model in ("googlenet", "inception_v3") else {}
    return models.get_model(model, weights=None, **single)


def awaken(net: nn.Module) -> nn.Module:
    """Lets scales and weights that begin at zero begin elsewhere: behind them no change would show."""
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.fill_(1.0) if parameter.ndim <= 1 else parameter.normal_(std=0.05)
    return net


def inputs(net: nn.Module) -> Tensor:
    """An image of the small size, or of the network's own size where it takes no other."""
    for size in (SIZE, *((net.default_cfg["input_size"][1:]) if hasattr(net, "default_cfg") else (224,))):
        x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                net(x)
            return x
        except Exception as error:
            fault = error
    raise fault


def examine(name: str) -> dict[str, Any]:
    """Inserts, checks that nothing changes until the strength does, that every mechanism runs, and the way back."""
    start = time.monotonic()
    row: dict[str, Any] = {"network": name}
    try:
        row["parameters"] = count_parameters(name)
        if row["parameters"] >= MOST_PARAMETERS:
            return row | {"outcome": "left out", "reason": TOO_LARGE}
        torch.manual_seed(0)
        net = awaken(build(name).eval())
        return row | _insert(net, inputs(net)) | {"seconds": round(time.monotonic() - start, 2)}
    except RegardError as error:
        return row | {"outcome": "refused", "reason": str(error).splitlines()[0][:200]}
    except Exception as error:
        return row | {"outcome": "failed", "reason": f"{type(error).__name__}: {str(error).splitlines()[:1]}"[:200]}


def _insert(net: nn.Module, x: Tensor) -> dict[str, Any]:
    with torch.no_grad():
        before, keys = _leaves(net(x)), list(net.state_dict())
        begun = time.monotonic()
        selection = regard.select(net, x)
        found: dict[str, Any] = {"select_s": round(time.monotonic() - begun, 2)}
        found["sites"] = Counter(site.at for site in selection)
        chosen = selection.at("auto")
        found["at"] = chosen.sites[0].at if chosen.sites else None
        handle = chosen.insert("se").apply()
        same = _equal(before, _leaves(net(x)))
        for module in handle.modules.values():
            getattr(module, "mechanism", module).strength.fill_(1.0)
        changed = not _equal(before, _leaves(net(x)))
        handle.revert()
        back = _equal(before, _leaves(net(x))) and keys == list(net.state_dict())
    if same and changed and back:
        return found | {"outcome": "works"}
    wrong = [w for w, ok in (("changed at once", same), ("no effect", changed), ("not reverted", back)) if not ok]
    return found | {"outcome": "failed", "reason": ", ".join(wrong)}


def _leaves(result: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def line(row: dict[str, Any]) -> str:
    """One network for the console."""
    words = (row["outcome"], dict(row.get("sites", {})), row.get("reason", ""), row.get("seconds", ""))
    return f"{row['network']}: {' '.join(map(str, words))}"


def markdown(result: dict[str, Any]) -> str:
    """The table of a sweep, then what did not work or was left out, with the reasons."""
    rows = result["rows"]
    tried = [row for row in rows if row["outcome"] != "left out"]
    works = [row for row in tried if row["outcome"] == "works"]
    rate = f"{len(works) / max(1, len(tried)):.1%}"
    text = [
        f"{len(works)} of {len(tried)} networks work ({rate}); images of {result['size']} "
        f"pixels where the network takes them, PyTorch {result['torch'].split('+')[0]}, timm {result['timm']}.",
        "",
        "| network | parameters, millions | sites at residual / stage / conv | used | selecting, s |",
        "| --- | ---: | ---: | --- | ---: |",
    ]
    for row in works:
        sites = " / ".join(str(row["sites"].get(at, 0)) for at in ("residual", "stage", "conv"))
        text.append(
            f"| {row['network']} | {row['parameters'] / 1e6:.1f} | {sites} | {row['at']} | {row['select_s']:.2f} |"
        )
    bad = [row for row in tried if row["outcome"] != "works"]
    text += ["", "Networks that do not work:", ""] if bad else []
    text += [f"- {row['network']}: {row['outcome']}: {row['reason']}" for row in bad]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["outcome"] == "left out":
            reasons.setdefault(row["reason"], []).append(row["network"])
    for reason, names in reasons.items():
        text += ["", f"Left out, because {reason}: {', '.join(names)}."]
    for reason, modules in result.get("outside", {}).items():
        text += ["", *outside_lines(reason, modules)]
    return "\n".join(text)


def outside_lines(reason: str, modules: dict[str, list[str]]) -> list[str]:
    """The networks of timm that were left out for one reason: a count for each module, and all names folded away."""
    total = sum(map(len, modules.values()))
    counts = ", ".join(f"{module} {len(names)}" for module, names in sorted(modules.items()))
    items = (f"<li>{module}: {', '.join(names)}</li>" for module, names in sorted(modules.items()))
    return [
        f"Left out, because {reason}: {total} networks of timm, by module: {counts}.",
        "",
        f"<details><summary>Their {total} names</summary><ul>",
        *items,
        "</ul></details>",
    ]


if __name__ == "__main__":
    main()
