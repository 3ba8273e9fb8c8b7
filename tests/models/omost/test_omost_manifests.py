"""Published checkpoints of Omost at true size: every key and shape has its place, on the meta device."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

from gesso.core.errors import CheckpointError
from gesso.models.causal import LANGUAGE_KEYS
from gesso.models.checkpoints import check_complete, rename_keys
from gesso.models.quantised import Stored, dense_shapes, group_keys

MANIFESTS = Path(__file__).parents[2] / "manifests"
LLAMA, PHI = "omost-llama-3-8b", "omost-phi-3-mini-128k"


def manifest(name: str) -> dict[str, Any]:
    with gzip.open(MANIFESTS / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def build(name: str) -> nn.Module:
    """The model of a checkpoint at true size, without memory for its weights."""
    fields = dict(manifest(name)["info"]["config"])
    fields.pop("rope_scaling", None)  # the manifest has words in its place
    with torch.device("meta"):
        return (
            LlamaForCausalLM(LlamaConfig(**fields))
            if name == LLAMA
            else Phi3ForCausalLM(Phi3Config(**fields))
        )


def unpacked(name: str, base: str) -> tuple[dict[str, tuple[int, ...]], nn.Module, list[Stored]]:
    """The shapes a packed checkpoint gives, the model they are for, and how each weight is stored."""
    model, shapes = build(base), manifest(name)["keys"]
    stored = group_keys(shapes)
    wanted = {key: weight.shape for key, weight in model.state_dict().items()}
    return dense_shapes(stored, shapes, wanted), model, stored


@pytest.mark.parametrize("name", [LLAMA, PHI])
def test_plain_checkpoints_fill_the_model(name: str) -> None:
    shapes, model = manifest(name)["keys"], build(name)
    names = rename_keys(shapes, LANGUAGE_KEYS)
    check_complete({ours: shapes[key] for key, ours in names.items()}, model)
    assert len(names) == manifest(name)["info"]["num_keys"]


@pytest.mark.parametrize(
    ("name", "base", "roles"),
    [
        (f"{LLAMA}-4bits", LLAMA, {"packed", "absmax", "quant_map", "quant_state"}),
        (
            f"{LLAMA}-4bits-double-quant",
            LLAMA,
            {"packed", "absmax", "quant_map", "quant_state", "nested_absmax", "nested_quant_map"},
        ),
        (f"{PHI}-8bits", PHI, {"packed", "SCB", "weight_format"}),
    ],
)
def test_packed_checkpoints_fill_the_model_key_by_key(name: str, base: str, roles: set[str]) -> None:
    shapes, model, stored = unpacked(name, base)
    check_complete(shapes, model)
    used = [key for item in stored for key in item.keys.values()]
    assert sorted(used) == sorted(manifest(name)["keys"])
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)} - {"lm_head"}
    assert {item.name for item in stored if item.roles == roles} == {f"{name}.weight" for name in linear}
    assert all(item.roles in (roles, {"packed"}) for item in stored)
    assert sum(weight.numel() for weight in model.parameters()) == manifest(name)["info"]["num_parameters"]


def test_a_packed_weight_of_another_size_is_found() -> None:
    shapes = manifest(f"{LLAMA}-4bits")["keys"]
    shapes["model.layers.3.mlp.up_proj.weight.absmax"] = [7]
    wanted = {key: weight.shape for key, weight in build(LLAMA).state_dict().items()}
    with pytest.raises(CheckpointError, match=r"parts of model\.layers\.3\.mlp\.up_proj\.weight .*absmax"):
        dense_shapes(group_keys(shapes), shapes, wanted)
