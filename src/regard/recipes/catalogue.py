"""`regard list`, `show` and `cite`: the mechanisms by the facts on their classes, and the published networks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from regard.attention import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL, find
from regard.attention.exchange import layouts_of
from regard.core import Facts, Mechanism, OptionError, Paper, Spec, UnknownNameError
from regard.core.errors import unknown_name
from regard.core.facts import Act, Family, Kind, Site
from regard.core.files import write_whole
from regard.models import PUBLISHED
from regard.recipes.console import say
from regard.recipes.listing import JsonListing, Listing
from regard.recipes.mechanism_cost import forms_of, size_of
from regard.recipes.networks import NetworkListing, NetworkProfile, list_networks, show_network
from regard.recipes.profile import Profile, bibtex_key, read_docstring
from regard.recipes.shapes import USUAL, build, dims_of, read_shape, with_dims

if TYPE_CHECKING:
    from regard.tracing import Flow

Dims = Literal[1, 2, 3]


@dataclass(frozen=True)
class Citations:
    """Papers with their BibTeX keys, each paper once."""

    papers: dict[str, Paper]

    def __str__(self) -> str:
        """Returns the BibTeX entries."""
        return "\n\n".join(paper.bibtex(key) for key, paper in self.papers.items())


def list_mechanisms(
    *,
    family: Family | None = None,
    kind: Kind | None = None,
    act: Act | None = None,
    at: Site | None = None,
    dims: Dims | None = None,
    search: str | None = None,
    networks: bool = False,
    json: bool = False,
) -> Listing | NetworkListing | JsonListing:
    """Lists the attention mechanisms, or the published networks, with their cost and their papers.

    Parameters and multiply-adds are counted for 256 channels and, for image features, 56 x 56 positions; those of a
    temporal mechanism for one query over 1024 keys.

    Args:
        family: only mechanisms with weights over this.
        kind: only soft (deterministic weights) or only hard (sampled) ones.
        act: only those that apply their map in this way.
        at: only those for this site in a network.
        dims: only those for features with this number of position axes (1 sound, 2 images, 3 clips); the cost is
            counted for such features.
        search: only those with this text in their name, or in the title or authors of their paper.
        networks: list the published networks instead, with their published accuracy; of the filters only `search`
            applies to them.
        json: print one JSON array with all facts instead of a table.

    Returns:
        The facts of each, and its cost.

    Raises:
        OptionError: a family, kind, act or site that does not exist, or one with `networks`.

    Example:
        >>> [facts.name for facts in list_mechanisms(family="mixed", search="woo").mechanisms]
        ['cbam', 'bam']
    """
    for option, value, choices in (
        ("family", family, get_args(Family)),
        ("kind", kind, get_args(Kind)),
        ("act", act, get_args(Act)),
        ("at", at, get_args(Site)),
        ("dims", dims, get_args(Dims)),
    ):
        _check_choice(option, value, choices)
        if networks and value is not None:
            raise OptionError(
                f"{option}={value!r} is not allowed with networks: it selects mechanisms. Leave one of the two out; "
                "search= selects networks."
            )
    if networks:
        found = list_networks(search)
        return JsonListing(found.records()) if json else found

    def matches(facts: Facts) -> bool:
        searched = f"{facts.name} {facts.paper.title} {facts.paper.authors}".casefold()
        asked = {facts.kind: kind, facts.act: act, facts.at: at}
        return (
            all(value in (None, own) for own, value in asked.items())
            and (dims is None or dims in facts.dims)
            and (search is None or search.casefold() in searched)
        )

    every = (*CATALOGUE, *LOOKING, *SEQUENTIAL)
    published = _facts(every, lambda facts: family in (None, facts.family) and matches(facts))
    controls = _facts(CONTROLS, matches) if family is None and search is None else ()
    shapes = {facts.name: USUAL[dims or dims_of(find(facts.name))] for facts in (*published, *controls)}
    listing = Listing(published, controls, {name: size_of(name, shape) for name, shape in shapes.items()})
    return JsonListing(listing.records()) if json else listing


def show(mechanism: str, *, shape: str | None = None, drawing: Path | None = None) -> Profile | NetworkProfile:
    """Explains one mechanism: formula, paper, options, cost, an example, departures; or one published network.

    Args:
        mechanism: name of the mechanism, with options if wanted, as in cbam:reduction=8; or of a published network, as
            in se_resnet50.
        shape: channels and sizes of the features for which the cost is counted, as in 256x56x56 (the default for
            images), 256x1024 or 256x8x28x28.
        drawing: SVG file to write a drawing of the data flow to.

    Returns:
        Its profile.

    Raises:
        UnknownNameError: no such mechanism or network.
        OptionError: no such option, a value it does not allow, or a shape that it does not take; a shape or a drawing
            of a network.
        RunError: the drawing could not be written.

    Example:
        >>> show("senet154").description.parameters
        115088984
    """
    if mechanism in PUBLISHED:
        if shape is not None or drawing is not None:
            raise OptionError(
                f"{mechanism} is a network, and shape= and drawing= are for mechanisms: leave them out, or name its "
                f"mechanism, {PUBLISHED[mechanism].mechanism.name}."
            )
        return show_network(mechanism)
    _expect_known(Spec.parse(mechanism).name)
    return profile_of(mechanism, shape=shape, drawing=drawing)


def _expect_known(name: str) -> None:
    """Raises an error that lists the nearest mechanisms and networks, unless there is such a mechanism."""
    names = [m.facts.name for m in (*CATALOGUE, *LOOKING, *SEQUENTIAL, *CONTROLS)]
    try:
        find(name)
    except UnknownNameError as error:
        # Another message than that of any unknown name says which of the mechanisms it may be.
        if str(error) != str(unknown_name("mechanism", name, names)):
            raise
        raise unknown_name("mechanism or published network", name, (*names, *PUBLISHED)) from error


def profile_of(mechanism: str, *, shape: str | None = None, drawing: Path | None = None) -> Profile:
    """Returns the profile of one mechanism, as `show` explains it.

    >>> profile_of("se").parameters
    {64: 580, 256: 8464}
    """
    spec = Spec.parse(mechanism)
    kind = find(spec.name)
    counts = {c: sum(p.numel() for p in build(spec, c).parameters()) for c in (64, 256)}
    asked = USUAL[dims_of(kind, spec)] if shape is None else read_shape(shape)
    text, options = read_docstring(kind)
    if drawing is not None:
        _draw(spec, len(asked) - 1, drawing)
    return Profile(
        spec=with_dims(kind, spec, len(asked) - 1),
        facts=kind.facts,
        text=text,
        options=options,
        parameters=counts,
        size=size_of(spec, asked),
        forms=forms_of(spec, asked),
        layouts=layouts_of(kind.facts.name),
        key=bibtex_key(kind.facts.paper),
    )


def cite(mechanisms: tuple[str, ...]) -> Citations:
    """Prints the BibTeX entries of the papers of mechanisms, each paper once.

    Args:
        mechanisms: names of the mechanisms.

    Returns:
        The papers.

    Raises:
        UnknownNameError: no such mechanism.

    Example:
        >>> list(cite(("cbam", "cbam_spatial")).papers)
        ['woo2018cbam']
    """
    papers = {bibtex_key(p): p for p in (find(Spec.parse(name).name).facts.paper for name in mechanisms)}
    return Citations(papers)


def flow_of(mechanism: str | Spec, *, dims: int | None = None) -> "Flow":
    """Traces the data flow of one mechanism, to be drawn.

    Args:
        mechanism: name of the mechanism, with options as in cbam:reduction=8.
        dims: number of position axes of the features; None for images if the mechanism takes them.

    Raises:
        UnknownNameError: no such mechanism.
        OptionError: no such option, or a value it does not allow.

    Example:
        >>> [node.lines[0] for node in flow_of("se:reduction=4").nodes if node.kind == "map"]
        ['map gate']
    """
    from regard.tracing import trace_flow

    spec = Spec.parse(mechanism)
    kind = find(spec.name)
    dims = dims or dims_of(kind, spec)
    built = with_dims(kind, spec, dims)
    return trace_flow(lambda channels: build(built, channels), title=str(spec), dims=dims)


def _facts(mechanisms: tuple[type[Mechanism], ...], matches: Callable[[Facts], bool]) -> tuple[Facts, ...]:
    return tuple(mechanism.facts for mechanism in mechanisms if matches(mechanism.facts))


def _draw(spec: Spec, dims: int, path: Path) -> None:
    if path.suffix.lower() != ".svg":
        raise OptionError(f"drawing={str(path)!r} is not allowed; the drawing is an SVG, so its name must end in .svg.")
    from regard.tracing import draw_flow

    write_whole(path, draw_flow(flow_of(spec, dims=dims), alone=True).encode())
    say(f"The drawing was written to {path}.")


def _check_choice(option: str, value: object, choices: tuple[object, ...]) -> None:
    if value is not None and value not in choices:
        raise OptionError(f"{option}={value!r} is not allowed; choose one of {', '.join(map(str, choices))}.")
