"""The one list of commands. What a command does and takes is read from its recipe."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command and the recipe that it calls.

    Attributes:
        name: what is typed after `regard`; of one or two words.
        recipe: where the function is, as `module:function`.
        words: the parameter that takes the words without an option's name, or None.
    """

    name: str
    recipe: str
    words: str | None = None

    def load(self) -> Callable[..., object]:
        """The recipe's function; imports its module and what that needs."""
        module, _, function = self.recipe.partition(":")
        recipe: Callable[..., object] = getattr(import_module(module), function)
        return recipe

    def summary(self) -> str:
        """The first line of the recipe's docstring, read from its source: nothing is imported."""
        module, _, function = self.recipe.partition(":")
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"The command {self.name!r} calls {self.recipe}, which does not exist.")
        for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == function:
                return (ast.get_docstring(node) or "").partition("\n")[0]
        raise AttributeError(f"The command {self.name!r} calls {self.recipe}, which does not exist.")


COMMANDS = (
    Command("list", "regard.recipes.catalogue:list_mechanisms"),
    Command("show", "regard.recipes.catalogue:show", words="mechanism"),
    Command("cite", "regard.recipes.catalogue:cite", words="mechanisms"),
    Command("data show", "regard.recipes.show_data:show_data", words="source"),
    Command("compare", "regard.recipes.compare:compare", words="mechanisms"),
    Command("train", "regard.recipes.train:train"),
    Command("ablate", "regard.recipes.ablate:ablate", words="run"),
    Command("evaluate", "regard.recipes.evaluate:evaluate", words="run"),
    Command("predict", "regard.recipes.predict:predict", words="images"),
    Command("explain", "regard.recipes.explain:explain_images", words="images"),
    Command("doctor", "regard.recipes.doctor:examine"),
)
