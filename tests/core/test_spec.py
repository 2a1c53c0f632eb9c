import pytest

from regard.core import OptionError, Spec

OPTIONS = {
    "integer": 8,
    "negative": -3,
    "real": 1e-07,
    "yes": True,
    "no": False,
    "nothing": None,
    "word": "channel-spatial",
    "pair": (7, 7),
    "single": (3,),
    "nested": (1, (2, 3)),
    "words": ("a", "b c"),
    "looks_like_a_number": "3",
    "looks_like_a_truth": "true",
    "with_comma": "a,b",
    "with_brackets": "x)y,(z",
    "with_quotes": "it's",
    "with_spaces": " x ",
    "empty": "",
    "url": "https://x.org/?a=b:c",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_value_survives_being_written(name):
    spec = Spec("se", {name: OPTIONS[name]})
    again = Spec.parse(str(spec))
    assert again == spec
    assert type(again.options[name]) is type(OPTIONS[name])
    assert hash(again) == hash(spec)


def test_all_values_survive_together_in_any_order():
    spec = Spec("se", OPTIONS)
    assert Spec.parse(str(spec)) == spec
    assert str(Spec("se", dict(reversed(OPTIONS.items())))) == str(spec)


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("se", {}),
        ("se:", {}),
        (" se : reduction = 8 , ", {"reduction": 8}),
        ("se:start=identity,reduction=8", {"start": "identity", "reduction": 8}),
        ("static:shape=spatial,size=(7,5)", {"shape": "spatial", "size": (7, 5)}),
        ("static:size=[7, 5]", {"size": (7, 5)}),
        ("eca:gamma=2.5,bias=FALSE,x=None", {"gamma": 2.5, "bias": False, "x": None}),
        ("se:path=a=b", {"path": "a=b"}),
    ],
)
def test_lines_people_write(line, options):
    spec = Spec.parse(line)
    assert spec.name == line.partition(":")[0].strip()
    assert spec.options == options


def test_a_spec_is_passed_through():
    spec = Spec("se", {"reduction": 8})
    assert Spec.parse(spec) is spec


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("se:reduction", "'reduction' is no option. Write NAME:option=value"),
        ("se:reduction=", "'reduction=' is no option"),
        ("se:=8", "'=8' is no option"),
        ("se:re duction=8", "'re duction=8' is no option"),
        ("se:8=8", "'8=8' is no option"),
        ("se:reduction=8,reduction=4", "sets 'reduction' twice"),
        ("", "names no mechanism"),
        (":reduction=8", "names no mechanism"),
        ("static:size=(7,7", r"size=(7,7 is no value"),
        ("static:size={7}", r"size={7} is no value"),
        ("static:shape='spatial", "is no value"),
        ("se:x=(1,b'2')", "is no value"),
        ("se:x=" + "(" * 3000, "is no value"),
    ],
)
def test_a_malformed_line_shows_the_form(line, says):
    with pytest.raises(OptionError) as error:
        Spec.parse(line)
    assert says in str(error.value)


def test_nothing_is_executed():
    assert Spec.parse("se:x=print(1)").options == {"x": "print(1)"}
    assert Spec.parse("se:x=__import__").options == {"x": "__import__"}
