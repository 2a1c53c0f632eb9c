"""The facts of a mechanism, from which lists, documentation, conformance and benchmarks are derived."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Family = Literal["channel", "spatial", "mixed", "branch", "temporal"]
Kind = Literal["soft", "hard"]
Act = Literal["rescale", "select", "resample", "aggregate"]
Site = Literal["residual", "stage", "conv", "kernel", "head", "input", "decoder"]
Returns = Literal["features", "vector", "patches", "context", "sample"]
Published = Literal["proceedings", "journal", "preprint"]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A publication.

    `identifier` is an arXiv id (`arXiv:1709.01507`), a DOI (`doi:10...`), or the volume and page name of the
    Proceedings of Machine Learning Research (`pmlr:v139/yang21o`), whose papers have neither. `published` is its kind.
    """

    title: str
    authors: str
    year: int
    venue: str
    identifier: str
    published: Published = "proceedings"

    @property
    def url(self) -> str:
        """The address of the paper."""
        scheme, _, rest = self.identifier.partition(":")
        if scheme == "pmlr":
            return f"https://proceedings.mlr.press/{rest}.html"
        return f"https://arxiv.org/abs/{rest}" if scheme == "arXiv" else f"https://doi.org/{rest}"

    def bibtex(self, key: str) -> str:
        """The BibTeX entry under `key`."""
        scheme, _, rest = self.identifier.partition(":")
        identity = {
            "arXiv": f"  eprint = {{{rest}}},\n  archivePrefix = {{arXiv}},",
            "pmlr": f"  url = {{{self.url}}},",
        }.get(scheme, f"  doi = {{{rest}}},")
        entry, venue = {
            "proceedings": ("inproceedings", f"  booktitle = {{{self.venue}}},\n"),
            "journal": ("article", f"  journal = {{{self.venue}}},\n"),
            "preprint": ("misc", ""),
        }[self.published]
        return (
            f"@{entry}{{{key},\n  title = {{{self.title}}},\n  author = {{{self.authors}}},\n"
            f"{venue}  year = {{{self.year}}},\n{identity}\n}}"
        )


@dataclass(frozen=True, kw_only=True)
class Input:
    """An input of a forward besides features, queries or keys.

    Attributes:
        name: of the argument.
        shape: in words, such as `(b, state_size)`.
        optional: whether the forward does without.
        example: (channels, size, batch) -> a random one; None where examples do without.
    """

    name: str
    shape: str
    optional: bool = False
    example: Callable[[int, tuple[int, ...], int], Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of a mechanism by its class; a form that an option chooses may amend them, see `Mechanism.amend`.

    The facts of its maps (range, shares, neutral value) are in its taps, see `Tap`.

    Attributes:
        name: short and stable, as in `regard.create(name)`.
        family: the axes that are rescaled or selected.
        kind: `soft` (every component keeps a weight) or `hard` (components are sampled).
        act: how the map is used.
        paper: where it was published.
        authors_code: the repository of the authors' own code, or None.
        departures: where and why ours differs from the paper or from the authors' code, one sentence each.
        dims: numbers of position axes it takes: 1 for sound, 2 for images, 3 for clips.
        at: where it belongs in a network: after the last normalisation of a residual branch, between two stages,
            instead of a convolution with its normalisation and ReLU (`conv`) or of the convolution alone (`kernel`),
            instead of the pooling before the classifier (`head`), before everything else, as what a network sees
            of its image (`input`), or between an encoder and its decoder (`decoder`).
        returns: `features` of the shape of x (instead of a convolution, as the convolution's), so that it can be put
            into a trained network and start as the identity; a `vector` (b, c); `patches` of x (b, k c, ...) of a size
            of their own; a `context`, see `Attended`; or a `sample`, see `Sample`.
        inputs: the arguments of its forward besides x, or besides queries and keys.
        bare: whether it does no more than its act: with layers around it, even a neutral map makes y another than x.
        exported_from: the smallest size of an axis that an exported program takes; PyTorch's symbolic shapes cannot
            say that half a size may be 1.
        parameters: the number of parameters with `start="paper"`, as a formula of c (the channels) and the options,
            see `Mechanism.count`; the names that it uses are defined after `where`, separated by semicolons.
        nondeterministic: None, or the operator whose result varies on CUDA.
    """

    name: str
    family: Family
    kind: Kind = "soft"
    act: Act = "rescale"
    paper: Paper
    authors_code: str | None = None
    departures: tuple[str, ...] = ()
    dims: tuple[int, ...] = (1, 2, 3)
    at: Site = "residual"
    returns: Returns = "features"
    inputs: tuple[Input, ...] = ()
    bare: bool = True
    exported_from: int = 1
    parameters: str = ""
    nondeterministic: str | None = None
