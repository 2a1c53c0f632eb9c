import pytest

from regard.data import kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("clips:videos", "clip"),
        (" sound:words.npz", "sound"),
        ("captions:images", "caption"),
        ("tsv:words.tsv:target=phonemes", "text"),
        ("cluttered:mnist-mini", "image"),
        ("clips", "image"),
        (None, "image"),
    ],
)
def test_scheme_tells_the_kind(name, kind):
    assert kind_of(name) == kind
