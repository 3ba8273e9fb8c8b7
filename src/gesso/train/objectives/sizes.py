"""The sizes of a new model, checked against the config that takes them."""

from typing import Any

from transformers import PreTrainedConfig

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError

__all__ = ["sizes_of"]


def sizes_of(recipe: Recipe, part: str, config: type[PreTrainedConfig]) -> dict[str, Any]:
    """`model.shape` of one part; transformers itself would take any name as an attribute.

    Raises:
        ConfigError: the recipe has no such part, or a size the config does not know.
    """
    sizes = recipe.model.shape.get(part)
    if sizes is None:
        raise ConfigError(f"model.shape.{part} is missing; a new model needs its sizes")
    known = config().to_dict()
    unknown = sorted(set(sizes) - set(known))
    if unknown:
        raise ConfigError(f"model.shape.{part} has {', '.join(unknown)}, unknown to {config.__name__}")
    return sizes
