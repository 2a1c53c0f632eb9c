import json

import pytest
from rich.console import Console

from regard.core import DataError
from regard.data import Reading
from regard.recipes.show_data import show_data


def test_pairs_and_lines_are_described(tmp_path):
    file = tmp_path / "words.tsv"
    file.write_text("".join(f"word {n}\tW{n % 10}\n" for n in range(80)) + "word 3\tother\nbad\n")
    found = show_data(source=f"tsv:{file}", out=tmp_path / "out")
    assert found.texts["train"] > found.texts["val"] > 0
    assert (found.units, found.several) == (("characters", "characters"), 1)
    assert found.lengths[0][0] == 6
    kept = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert kept["account"]["left_out"][0]["path"] == f"{file}:82"
    console = Console(record=True, width=200)
    console.print(found)
    text = console.export_text()
    assert "82 lines: 81 used" in text
    assert "characters, " in text
    with pytest.raises(DataError, match=r"words\.tsv:82: 1 column"):
        show_data(source=f"tsv:{file}", out=tmp_path / "out", reading=Reading(on_bad="fail"))
