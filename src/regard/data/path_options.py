"""The form `SCHEME:PATH[:option=value,...]` of sources whose settings stand behind their path."""

import re
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from regard.core.errors import DataError, OptionError
from regard.core.spec import Spec

Options = TypeVar("Options")


def parse_path(data: str, scheme: str, kind: type[Options], example: str) -> tuple[Path, Options]:
    """Splits the name of a source into its path and its options.

    Args:
        data: the name.
        scheme: the word before its first colon.
        kind: a dataclass with a field for each option.
        example: a complete name, for messages.

    Raises:
        DataError: there is no path.
        OptionError: an option that `kind` does not have, or a value that it refuses.
    """
    text = data.strip().removeprefix(f"{scheme}:")
    path, _, written = text.rpartition(":")
    if not path or not re.fullmatch(r"\w+=[^,]*(,\w+=[^,]*)*", written):
        path, written = text, ""
    if not path.strip():
        raise DataError(f"{data!r} names no file: write its path after the colon, as in {example}.")
    given = Spec.parse(f"{scheme}:{written}").options
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise OptionError(f"{data}: there is no option {name!r}; there are {', '.join(known)}.")
    return Path(path.strip()).expanduser(), kind(**given)
