"""A recipe that makes no sense is refused when it is made, by the name of its setting."""

import dataclasses
import json

import pytest

from regard.core import OptionError, UnknownNameError
from regard.training import Recipe


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", True),
        ("optimizer", "adam"),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", "fast"),
        ("momentum", 1.0),
        ("weight_decay", -0.1),
        ("warmup_epochs", 10),
        ("label_smoothing", 1.0),
        ("mixup", -1.0),
        ("cutmix", float("inf")),
        ("clip", -1.0),
        ("precision", "float64"),
        ("ema", 1.0),
        ("attention_lr", 0.0),
        ("class_weights", "some"),
        ("keep", "first"),
        ("save_every", 0),
    ],
)
def test_a_value_out_of_its_range_is_named(option, value):
    with pytest.raises(OptionError, match=rf"recipe: {option}={value!r} is not allowed"):
        Recipe(**{option: value})


def test_default_rates_depend_on_the_optimizer():
    assert (Recipe().lr, Recipe().weight_decay) == (0.1, 5e-4)
    assert (Recipe(optimizer="adamw").lr, Recipe(optimizer="adamw").weight_decay) == (0.001, 0.05)
    assert Recipe(optimizer="adamw", lr=0.3, weight_decay=0.0).lr == 0.3
    assert Recipe(weight_decay=0.0).weight_decay == 0.0


def test_json_gives_the_same_recipe_back():
    recipe = Recipe(epochs=3, optimizer="adamw", mixup=0.2, keep="best")
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'epoch'.*Did you mean 'epochs'"):
        Recipe.from_json({"epoch": 3})


def test_every_setting_is_explained():
    text = Recipe.__doc__
    assert all(f"        {field.name}: " in text for field in dataclasses.fields(Recipe))
