"""The table of commands agrees with the recipes."""

import inspect
import subprocess
import sys

import pytest

from regard.cli.commands import COMMANDS, Command
from regard.cli.parser import CommandParser


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_recipes_of_commands_are_typed_and_documented(command):
    recipe = command.load()
    parser = CommandParser(command.name, recipe, command.words)
    unexplained = [p.name for section in parser.sections() for p, text in section.options if not text.strip()]
    assert not unexplained
    assert command.words is None or command.words in parser.parameters
    assert command.summary() == (inspect.getdoc(recipe) or "").splitlines()[0]


def test_names_are_unique():
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)


def test_a_summary_is_read_without_importing_the_recipe():
    code = (
        "import sys; from regard.cli.commands import COMMANDS; [c.summary() for c in COMMANDS]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("recipe", ["regard.recipes.absent:f", "regard.recipes.console:absent"])
def test_a_recipe_that_is_not_there_is_named(recipe):
    with pytest.raises((ModuleNotFoundError, AttributeError), match="'x' calls"):
        Command("x", recipe).summary()
