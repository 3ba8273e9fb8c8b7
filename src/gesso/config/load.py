"""Reading recipes: YAML, then key=value overrides, checked field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError, UnknownNameError

__all__ = ["RECIPES", "build", "find_recipe", "load_recipe", "recipe_names"]

T = TypeVar("T")
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 2
RECIPES = Path(__file__).parent.parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with gesso, such as "mini/clip"."""
    return sorted(str(path.relative_to(RECIPES).with_suffix("")) for path in RECIPES.rglob("*.yaml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe, given its name or a path to a YAML file.

    Raises:
        UnknownNameError: neither a recipe of gesso nor a file.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    return RECIPES / f"{name}.yaml"


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply overrides such as "run.steps=100".

    Args:
        name: name of a recipe of gesso, or a path to a YAML file.
        overrides: "dotted.key=value", the value in YAML.

    Raises:
        ConfigError: invalid YAML, an unknown key, or a value of the wrong type or range.
    """
    path = find_recipe(name)
    data = _parse(path.read_bytes(), str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {type(data).__name__}; a recipe is a mapping")
    for override in overrides:
        _apply(data, override)
    return build(Recipe, data, where="")


def build(cls: type[T], data: Mapping[str, Any], *, where: str) -> T:
    """Build a settings dataclass from a mapping, refusing what does not fit.

    Args:
        cls: the dataclass.
        data: field name -> value. A dataclass inside comes as a mapping or finished, a tuple as a list; a
            class with a `from_dict` of its own reads its value itself.
        where: dotted path of `data` in the recipe, for messages.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of the wrong type or out of range.
    """
    hints = get_type_hints(cls)
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    # unknown keys first: of a misspelt required setting, the misspelling is what to tell
    for key in data:
        if key not in known:
            near = get_close_matches(_named(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"unknown setting {_join(where, _named(key))}; {hint}")
    values = {key: _convert(hints[key], value, _join(where, key)) for key, value in data.items()}
    for item in fields(cls):  # type: ignore[arg-type]
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in values:
            raise ConfigError(f"setting {_join(where, item.name)} is missing")
    return cls(**values)


def _apply(data: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"override {override!r}; write key=value, such as run.steps=100")
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError(f"override {override!r}: {parent} is a value, not a group of settings")
    data[last] = _parse(text, f"override {override!r}: {text!r}")


def _parse(text: str | bytes, what: str) -> Any:
    """Read YAML; bytes are decoded by its rules (UTF-8 or UTF-16)."""
    try:
        return yaml.safe_load(text)
    # PyYAML lets errors of Python's own constructors through: "2020-13-45", "!!int ''", "!!bool x"
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise ConfigError(f"{what} is no valid YAML: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check one value against its type; whole numbers pass as floats, "1e-3" as the number it means."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if isinstance(hint, type) and (is_dataclass(hint) or hasattr(hint, "from_dict")):
        return _convert_object(hint, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where} is {_shown(value)}; allowed: {', '.join(map(str, arguments))}")
        return value
    # `str | None` is a UnionType, but `Literal[...] | None` a typing.Union (until Python 3.14)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return _convert(next(kind for kind in arguments if kind is not NoneType), value, where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {_shown(value)}; it must be a mapping")
        return {str(key): _convert(arguments[1], item, _join(where, str(key))) for key, item in value.items()}
    return _convert_scalar(hint, value, where)


def _convert_object(hint: Any, value: Any, where: str) -> Any:
    if isinstance(value, hint):
        return value
    if hasattr(hint, "from_dict"):
        return hint.from_dict(value)  # it knows best how it is written
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {_shown(value)}; it must be a group of settings")
    return build(hint, value, where=where)


def _convert_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """A list as a tuple: of one kind and any length where the hint ends in "...", else of these kinds."""
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} is {_shown(value)}; it must be a list")
    wanted = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(wanted) != len(value):
        raise ConfigError(f"{where} is {_shown(value)}; it must have {len(wanted)} entries")
    pairs = enumerate(zip(wanted, value, strict=True))
    return tuple(_convert(kind, item, f"{where}[{number}]") for number, (kind, item) in pairs)


def _convert_scalar(hint: type[Any], value: Any, where: str) -> Any:
    # YAML 1.1 reads 1e-3 (no dot) as a string
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError) as error:  # overflow: whole numbers beyond 1.8e308
            raise ConfigError(f"{where} is {_shown(value)}; it must be a number") from error
    # bool is a subclass of int, but `steps: true` is a slip
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} is {_shown(value)}; it must be {hint.__name__}")
    return value


def _shown(value: Any) -> str:
    """A value as Python writes it, long ones cut in the middle: recipes may come from anywhere."""
    return _SHORT.repr(value)


def _named(key: Any) -> str:
    """A key as it came, or as `_shown` writes it where it is none that a setting could have."""
    name = str(key)
    return name if len(name) <= _SHORT.maxstring and name.isprintable() else _shown(name)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
