from dataclasses import dataclass
from pathlib import Path

import pytest

from regard.core.errors import DataError, OptionError
from regard.data.path_options import parse_path


@dataclass(frozen=True)
class Options:
    size: int = 3
    word: str = "a"


@pytest.mark.parametrize(
    ("name", "path", "options"),
    [
        ("x:a/b", "a/b", Options()),
        ("x:a:b.tsv:size=4,word=b", "a:b.tsv", Options(4, "b")),
        ("x:C:folder", "C:folder", Options()),
    ],
)
def test_a_name_is_a_path_and_options(name, path, options):
    assert parse_path(name, "x", Options, "x:a") == (Path(path), options)


def test_a_wrong_name_is_named():
    with pytest.raises(DataError, match="as in x:a"):
        parse_path("x: ", "x", Options, "x:a")
    with pytest.raises(OptionError, match="no option 'shape'; there are size, word"):
        parse_path("x:a:shape=3", "x", Options, "x:a")
