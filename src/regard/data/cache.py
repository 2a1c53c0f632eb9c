"""The folder of downloads and of stored checks of images."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns `$REGARD_CACHE`, else `regard` in `$XDG_CACHE_HOME`, else `~/.cache/regard`; it need not exist."""
    if own := os.environ.get("REGARD_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regard"
