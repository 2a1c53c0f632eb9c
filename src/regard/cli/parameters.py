"""The options of a command: the recipe's parameters, with the fields of its settings records among them."""

import inspect
import types
from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """One option of a command.

    Attributes:
        name: name of the recipe's parameter, or of a field of one of its records.
        hint: type hint.
        default: default value, or REQUIRED.
        record: parameter of the recipe whose field it is, or None.
    """

    name: str
    hint: Any
    default: Any
    record: str | None = None

    @property
    def flag(self) -> str:
        """The option as it is typed; a name like `from_`, a keyword of Python, without its underscore."""
        return "--" + self.name.rstrip("_").replace("_", "-")

    @property
    def required(self) -> bool:
        """True if it has no default."""
        return self.default is REQUIRED

    @property
    def optional(self) -> bool:
        """True if it may be None."""
        return type(None) in get_args(self.hint)

    @property
    def plain(self) -> Any:
        """The type without `| None`."""
        if get_origin(self.hint) in (Union, types.UnionType):
            rest = [a for a in get_args(self.hint) if a is not type(None)]
            return rest[0] if len(rest) == 1 else self.hint
        return self.hint

    @property
    def many(self) -> bool:
        """True if it takes several values."""
        return get_origin(self.plain) in (tuple, list, Sequence, Collection)

    @property
    def item(self) -> Any:
        """The type of one value."""
        return get_args(self.plain)[0] if self.many else self.plain

    @property
    def choices(self) -> tuple[object, ...]:
        """The allowed values, if there is a list of them."""
        return get_args(self.item) if get_origin(self.item) is Literal else ()


def settings_of(function: Callable[..., object]) -> dict[str, Any]:
    """Returns the recipe's parameters that are settings records (dataclasses with defaults), with their defaults."""
    hints = get_type_hints(function)
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if is_dataclass(hints[name]) and is_dataclass(parameter.default)
    }


def parameters_of(function: Callable[..., object]) -> dict[str, Parameter]:
    """Returns all options of a recipe by name, in the order of the signature.

    >>> def recipe(*, data: str, epochs: int = 3, seeds: tuple[int, ...] = (0,)) -> None: ...
    >>> [(p.flag, p.required, p.many) for p in parameters_of(recipe).values()]
    [('--data', True, False), ('--epochs', False, False), ('--seeds', False, True)]
    """
    hints, records = get_type_hints(function), settings_of(function)
    found: list[Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in records:
            types_ = get_type_hints(type(records[name]))
            found += [
                Parameter(f.name, types_[f.name], _default(records[name], f), name) for f in fields(records[name])
            ]
        else:
            found.append(Parameter(name, hints[name], parameter.default))
    by_name = {p.name: p for p in found}
    assert len(by_name) == len(found), f"{function.__name__}: two options have one name"
    return by_name


def _default(record: Any, field: Field[Any]) -> Any:
    """Returns the record's value, or the field's own default if that gives the same value.

    So a value that a record derives from others (the default learning rate of its optimizer) is derived again when
    one of the others is given.
    """
    value = getattr(record, field.name)
    if field.default is not MISSING and getattr(replace(record, **{field.name: field.default}), field.name) == value:
        return field.default
    return value
