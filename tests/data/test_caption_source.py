import pytest

from regard.core import DataError, OptionError
from regard.data import open_captions, open_captions_to_score
from tests.recipes.captions import write_captions


@pytest.fixture
def folder(tmp_path):
    write_captions(tmp_path / "images")
    return tmp_path / "images"


def names(part):
    return {part.images.names(i) for i in range(len(part))}


def add(folder, *lines):
    with (folder / "captions.tsv").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_an_image_has_one_split(folder):
    source = open_captions(f"captions:{folder}")
    parts = [names(part) for part in source.splits.values()]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 30
    assert sum(source.account.used.values()) == source.account.found == 36
    assert sum(len(part) for part in source.splits.values()) < 36, "scored images count once"
    assert names(open_captions(f"captions:{folder}", seed=1).splits["val"]) != parts[1]
    assert open_captions(f"captions:{folder}").fingerprint == source.fingerprint
    assert (source.target_units, source.channels) == ("words", 1)


def test_own_splits_are_kept(folder):
    rows = (folder / "captions.tsv").read_text().splitlines()
    split = {"00": "val", "01": "test"}
    made = [f"{row}\t{split.get(row[:2], 'train')}" for row in rows[1:]]
    (folder / "captions.tsv").write_text("\n".join(["file\tcaption\tsplit", *made]))
    source = open_captions(f"captions:{folder}:target=characters,longest=50")
    assert (names(source.splits["val"]), names(source.splits["test"])) == ({"00.png"}, {"01.png"})
    assert len(source.splits["val"].references[0]) == 2
    assert (source.target_units, source.limit, source.notes) == ("characters", 50, ())


def test_every_bad_line_is_accounted_for(folder):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n of no use")
    add(
        folder, "gone.png\ta b", "broken.png\ta b", "broken.png\tc", "02.png\t", "sub/03\tmore", "04.png\t" + "x" * 1001
    )
    source = open_captions(f"captions:{folder}")
    reasons = " ".join(map(str, source.account.left_out))
    assert "captions.tsv:38: the image" in reasons
    assert "gone.png cannot be used: there is no such file" in reasons
    assert reasons.count("broken.png cannot be used") == 2
    assert "an empty caption" in reasons
    assert "more than 1,000 characters" in reasons
    assert source.account.found == 42
    assert any("by the end of its path" in note or "without an extension" in note for note in source.notes)
    with pytest.raises(DataError, match=r"captions\.tsv:38: the image .*gone\.png"):
        open_captions(f"captions:{folder}", on_bad="fail")


def test_images_without_text_are_told(folder):
    rows = (folder / "captions.tsv").read_text().splitlines()
    (folder / "captions.tsv").write_text("\n".join(row for row in rows if not row.startswith("07")))
    assert "1 images below" in open_captions(f"captions:{folder}").warnings[0]


def test_all_images_can_be_scored(folder):
    source = open_captions_to_score(f"captions:{folder}")
    assert list(source.splits) == ["all"]
    assert len(source.splits["all"]) == 30


def test_what_cannot_be_opened(folder, tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        open_captions(f"captions:{tmp_path}/none")
    with pytest.raises(DataError, match="names no folder"):
        open_captions("captions:")
    with pytest.raises(OptionError, match="no option 'source'"):
        open_captions(f"captions:{folder}:source=words")
    (folder / "captions.tsv").write_text("file\tcaption\n00.png\ta\n")
    with pytest.raises(DataError, match="too few images with captions"):
        open_captions(f"captions:{folder}")
    (folder / "captions.tsv").write_text("file\tcaption\nzz.png\ta\n")
    with pytest.raises(DataError, match=r"no line that can be used.*zz\.png"):
        open_captions(f"captions:{folder}")
