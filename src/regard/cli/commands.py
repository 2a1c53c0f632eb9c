"""The list of commands. Description and options of a command are read from its recipe."""

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
        name: one or two words, typed after `regard`.
        recipe: the function, as `module:function`.
        words: the parameter of the positional arguments, or None.
    """

    name: str
    recipe: str
    words: str | None = None

    def load(self) -> Callable[..., object]:
        """Imports the recipe's module and returns its function."""
        module, _, function = self.recipe.partition(":")
        recipe: Callable[..., object] = getattr(import_module(module), function)
        return recipe

    def summary(self) -> str:
        """Reads the first line of the recipe's docstring from its source, without importing it."""
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
    Command("export", "regard.recipes.export:export", words="run"),
    Command("import-weights", "regard.recipes.imported:import_weights", words="file"),
    Command("bench", "regard.recipes.bench:bench", words="mechanisms"),
    Command("doctor", "regard.recipes.doctor:examine"),
)
