"""Low-rank adapters (LoRA, arXiv 2106.09685) on parts of a model, by peft; merged when the model is saved."""

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

from gesso.config.schema import LoraSettings, Recipe
from gesso.core.errors import ConfigError, MissingExtraError
from gesso.models.picture_chat import PictureChat

__all__ = ["adapt", "add_lora", "merged_state"]


def adapt(chat: PictureChat[Any], recipe: Recipe) -> None:
    """What a recipe may ask of any model with pictures: recomputed activations, and adapters.

    Args:
        chat: whole and with its attention chosen.
        recipe: the settings; errors are those of `add_lora`.
    """
    if recipe.run.checkpointing:
        module: Any = chat.module
        module.gradient_checkpointing_enable({"use_reentrant": False})
    if recipe.lora is not None:
        add_lora(chat.module, chat.parts, recipe.lora)


def add_lora(module: nn.Module, parts: Mapping[str, nn.Module], settings: LoraSettings) -> None:
    """Put adapters on the linear maps of some parts, in place, and freeze what lies under them.

    Norms, embeddings and other small weights of those parts are frozen too, unless `settings.train` names
    them.

    Args:
        module: the whole model.
        parts: its parts by name; those that `settings.parts` names are adapted.
        settings: rank, scale and what is adapted.

    Raises:
        ConfigError: a part or map that the model does not have.
        MissingExtraError: peft is not installed.
    """
    if find_spec("peft") is None:
        raise MissingExtraError("peft", "train")
    from peft import LoraConfig, inject_adapter_in_model

    unknown = sorted(set(settings.parts) - set(parts))
    if unknown:
        raise ConfigError(f"lora.parts names {', '.join(unknown)}; this model has {', '.join(parts)}")
    inside = {id(child) for name in settings.parts for child in parts[name].modules()}
    # the head, which often shares its weight with the table of embeddings
    inside.discard(id(getattr(module, "get_output_embeddings", lambda: None)()))
    targets = [
        name
        for name, child in module.named_modules()
        # no subclasses: peft knows torch's own linear map alone, and attention reads its weights itself
        if type(child) is nn.Linear and id(child) in inside and _named(name, settings.targets)
    ]
    if not targets:
        raise ConfigError(f"lora.targets {list(settings.targets)} fits no linear map of lora.parts "
                          f"{list(settings.parts)}")  # fmt: skip
    for name in settings.parts:
        for key, parameter in parts[name].named_parameters():
            trained = any(re.search(pattern, key) for pattern in settings.train)
            parameter.requires_grad_(parameter.requires_grad and trained)
    frozen = {id(parameter) for parameter in module.parameters() if not parameter.requires_grad}
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=targets
    )
    inject_adapter_in_model(config, module)
    # peft freezes the rest of the whole model, of which other parts are trained
    for key, parameter in module.named_parameters():
        parameter.requires_grad_(id(parameter) not in frozen and not key.endswith(".base_layer.weight"))


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a module with its adapters added in, under the names that it has without them."""
    found: dict[str, Tensor] = {}
    adapted = {name: child for name, child in module.named_modules() if hasattr(child, "get_delta_weight")}
    for key, tensor in module.state_dict().items():
        if ".lora_" in key or ".base_layer." not in key:
            if ".lora_" not in key:
                found[key] = tensor
            continue
        owner, _, kind = key.partition(".base_layer.")
        layer: Any = adapted[owner]
        delta = layer.get_delta_weight("default") if kind == "weight" else 0
        found[f"{owner}.{kind}"] = tensor + delta
    return found


def _named(name: str, targets: Sequence[str]) -> bool:
    return not targets or name.rpartition(".")[2] in targets
