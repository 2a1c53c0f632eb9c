import io
import json

from PIL import Image
from rich.console import Console

from regard.recipes.clips import load_clip_network
from regard.recipes.show_data import show_data
from tests.recipes.clips import write_series


def test_clips_have_a_summary_and_a_sheet(clip_run, tmp_path):
    found = show_data(source=load_clip_network(clip_run.path).record.data.name, out=tmp_path)
    assert found.counts == {"train": (80,) * 3, "val": (8,) * 3, "test": (8,) * 3}
    assert (found.lengths[0], found.lengths[2], found.sizes) == (3, 6, ((12, 12),))
    assert Image.open(tmp_path / "contact-sheet.png").width > 500
    assert json.loads((tmp_path / "summary.json").read_text())["preprocessing"]["size"] == [12, 12]
    text = Console(file=io.StringIO(), width=200)
    text.print(found)
    assert "from 3 to 6, the median" in text.file.getvalue()


def test_series_have_no_sheet(tmp_path):
    found = show_data(source=write_series(tmp_path), out=tmp_path / "shown")
    assert (found.sheet, found.sizes, found.channels) == (None, (), 3)
    assert (tmp_path / "shown" / "summary.json").exists()
