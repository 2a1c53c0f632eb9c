"""The published networks as a table, as JSON, as a page of the docs, and one of them as a profile."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard.models import PUBLISHED, Accuracy, Description, Published, describe, outline
from regard.models.resnet import Layout
from regard.recipes.profile import bibtex_key
from regard.report.numerals import count

IMAGE_NET = "ImageNet-1k validation images, one crop of 224 pixels unless another is given"


@dataclass(frozen=True)
class NetworkListing:
    """The published networks by name."""

    networks: dict[str, Published]

    def __rich__(self) -> RenderableType:
        """Returns a table with one row for each network."""
        if not self.networks:
            return Text("No network matches: `regard list --networks` shows all.")
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("name", no_wrap=True)
        for name in ("parameters", "MACs (G)", "top-1 %", "top-5 %"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in ("source", "weights of", "paper"):
            table.add_column(name, overflow="fold")
        for name, network in self.networks.items():
            table.add_row(name, *_cells(network), f"{network.paper.venue} {network.paper.year}")
        note = f"\n{_counted()} `regard show NAME` explains a network."
        return Group(table, Text(note, style="dim"))

    def records(self) -> list[dict[str, Any]]:
        """Returns all facts of the networks, for JSON."""
        return [_record(name, network) for name, network in self.networks.items()]

    def markdown(self) -> str:
        """Returns the page of the docs."""
        head = ["name", "parameters", "MACs (G)", "top-1 %", "top-5 %", "source of the accuracy", "weights of", "paper"]
        rows = [
            [f"`{name}`", *_cells(network), f"[{network.paper.title}]({network.paper.url})"]
            for name, network in self.networks.items()
        ]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
        notes = "\n".join(f"- `{name}`: {network.note}" for name, network in self.networks.items() if network.note)
        return f"{_INTRODUCTION}\n{_counted()}\n\n{table}\n\n## Layouts\n\n{notes}\n"


_INTRODUCTION = """# Published networks

`regard.models.create("se_resnet50")` has the layout of its authors: the stem, the pooling and the convolution with the
stride that the published weights and figures belong to. A plain network with a mechanism, as in
`create("resnet50", attention="se")`, has the plain network's layout; so do all arms of `regard compare`, which
therefore share every other parameter. The two are not the same network.
"""


@dataclass(frozen=True)
class NetworkProfile:
    """A published network.

    Attributes:
        name: for `regard.models.create`.
        network: its facts.
        description: its mechanisms, with the published number of classes.
    """

    name: str
    network: Published
    description: Description

    def __rich__(self) -> RenderableType:
        """Returns the page."""
        network, (parameters, macs) = self.network, self.network.size
        paper = network.paper
        rows = {
            "paper": f"{paper.title}. {paper.authors.replace(' and ', ', ')}. {paper.venue} {paper.year}. {paper.url}",
            "cite as": bibtex_key(paper),
            "attention": str(network.mechanism),
            "blocks": f"{_words(network.layout.blocks)}, channels {_words(network.layout.widths)}",
            **_structure(network),
            "parameters": f"{count(parameters)} with {network.classes} classes",
            "multiply-adds": f"{count(macs)} at {network.side} x {network.side} pixels",
            "accuracy": _accuracy(network.accuracy),
            "weights of": _words(network.imports) or "none that we know of",
        }
        if isinstance(network.layout, Layout) and network.layout.modules:
            rows["modules"] = f"{_words(network.layout.modules)} with attention, behind the blocks of each stage"
        if network.note:
            rows["layout"] = network.note
        if (plain := _plain_of(self.name)) is not None:
            rows["differs from"] = (
                f'models.create("{plain}", attention="{network.mechanism.name}"), which has the layout of {plain}'
            )
        grid = Table.grid(padding=(0, 2))
        for name, text in rows.items():
            grid.add_row(Text(f"  {name}", style="dim"), Text(text))
        return Group(Text(f"{self.name}\n", style="bold"), grid, Text(f"\n{self.description}"))


def _structure(network: Published) -> dict[str, str]:
    """Returns what the blocks of a network have besides attention."""
    if (style := network.style) is None:
        return {"stride": getattr(network.layout, "stride", "")}
    stride = "pooling behind the 3x3 convolution" if style.pooled_stride else f"{style.stride_in} convolution"
    forms = {"3x3": "3x3 convolutions", "pooled": "mean pooling, 1x1 convolutions"}
    return {"stride": f"in the {stride}", "shortcuts": forms.get(style.shortcut, "1x1 convolutions")}


def list_networks(search: str | None = None) -> NetworkListing:
    """Returns the published networks, or those with a text in their name or in their paper's title or authors."""

    def matches(name: str, network: Published) -> bool:
        text = f"{name} {network.paper.title} {network.paper.authors}".casefold()
        return search is None or search.casefold() in text

    return NetworkListing({name: network for name, network in PUBLISHED.items() if matches(name, network)})


def show_network(name: str) -> NetworkProfile:
    """Returns the profile of a published network.

    >>> show_network("sknet50").description.parameters
    27479784
    """
    network = PUBLISHED[name]
    return NetworkProfile(name, network, describe(outline(name, num_classes=network.classes)))


def _plain_of(name: str) -> str | None:
    """Returns the plain network after the mechanism's name, if the published one has another layout."""
    from regard.models.layouts import PLAIN

    network = PUBLISHED[name]
    plain = name.removeprefix(f"{network.mechanism.name}_")
    if plain not in PLAIN:
        return None
    same = network.layout == PLAIN[plain] and not network.by_stage and not network.mechanism.options
    return None if same else plain


def _cells(network: Published) -> tuple[str, ...]:
    parameters, macs = network.size
    accuracy = network.accuracy
    found = ("–", "–", "–")
    if accuracy is not None:
        top5 = "–" if accuracy.top5 is None else f"{accuracy.top5:.2f}"
        data = "" if accuracy.data == "ImageNet-1k" else f", {accuracy.data}"
        crop = "" if accuracy.crop == network.side else f", crop {accuracy.crop}"
        found = (f"{accuracy.top1:.2f}", top5, f"{accuracy.source}{data}{crop}")
    return (count(parameters), f"{macs / 1e9:.3f}", *found, _words(network.imports) or "–")


def _record(name: str, network: Published) -> dict[str, Any]:
    parameters, macs = network.size
    return {
        "name": name,
        "attention": str(network.mechanism),
        "parameters": parameters,
        "macs": macs,
        "classes": network.classes,
        "side": network.side,
        "accuracy": None if network.accuracy is None else asdict(network.accuracy),
        "weights_of": list(network.imports),
        "note": network.note,
        "paper": {**asdict(network.paper), "url": network.paper.url},
    }


def _accuracy(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "none that we could check at its source"
    top5 = "" if accuracy.top5 is None else f", top-5 {accuracy.top5:.2f} %"
    return f"top-1 {accuracy.top1:.2f} %{top5} on {accuracy.data}, crop {accuracy.crop} ({accuracy.source})"


def _counted() -> str:
    return (
        "Parameters with 1000 classes; multiply-adds of layers and matrix products for an image of 224 x 224 pixels, "
        f"in units of 10^9; accuracies as published, {IMAGE_NET}. Networks for small "
        "images are counted with 10 classes at 32 x 32 pixels."
    )


def _words(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values))
