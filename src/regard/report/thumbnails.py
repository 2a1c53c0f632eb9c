"""Images small enough to embed in the page, as data URIs."""

import base64
import io
from collections.abc import Iterable

SIDES = (224, 160, 112, 80, 56)
BUDGET = 4_000_000


def thumbnails(images: Iterable[bytes], budget: int = BUDGET) -> dict[bytes, str]:
    """Encodes every image as a data URI, within `budget` letters in total if the smallest side allows.

    Args:
        images: encoded images; the page repeats some, and each repetition counts.
        budget: letters for all data URIs.

    Returns:
        The URI of each distinct image. All are made with the same largest side, the largest that fits.
    """
    wanted = list(images)
    distinct = set(wanted)
    made: dict[bytes, str] = {}
    for side in SIDES:
        made = {image: _uri(image, side) for image in distinct}
        if sum(len(made[image]) for image in wanted) <= budget:
            break
    return made


def _uri(encoded: bytes, side: int) -> str:
    """The shorter of PNG and JPEG, at most `side` pixels wide and high; never enlarge."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as opened:
        small = opened.convert("RGB")
        if max(small.size) > side:
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
        choices = []
        for kind, options in (("png", {}), ("jpeg", {"quality": 82, "optimize": True})):
            file = io.BytesIO()
            small.save(file, kind, **options)
            choices.append((file.tell(), kind, file.getvalue()))
    _, kind, content = min(choices)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
