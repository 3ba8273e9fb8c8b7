"""The sizes of a new model, checked against the config or class that takes them."""

import inspect
from typing import Any

from transformers import PreTrainedConfig

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError

__all__ = ["arguments_of", "sizes_of"]


def sizes_of(recipe: Recipe, part: str, config: type[PreTrainedConfig]) -> dict[str, Any]:
    """`model.shape` of one part; transformers itself would take any name as an attribute.

    Raises:
        ConfigError: the recipe has no such part, or a size the config does not know.
    """
    return _known_sizes(recipe, part, set(config().to_dict()), config.__name__)


def arguments_of(recipe: Recipe, part: str, kind: type[Any]) -> dict[str, Any]:
    """`model.shape` of one part, for a class of diffusers, whose arguments are its config.

    Raises:
        ConfigError: the recipe has no such part, or a size the class does not know.
    """
    return _known_sizes(recipe, part, set(inspect.signature(kind).parameters), kind.__name__)


def _known_sizes(recipe: Recipe, part: str, known: set[str], name: str) -> dict[str, Any]:
    sizes = recipe.model.shape.get(part)
    if sizes is None:
        raise ConfigError(f"model.shape.{part} is missing; a new model needs its sizes")
    unknown = sorted(set(sizes) - known)
    if unknown:
        raise ConfigError(f"model.shape.{part} has {', '.join(unknown)}, unknown to {name}")
    return sizes
