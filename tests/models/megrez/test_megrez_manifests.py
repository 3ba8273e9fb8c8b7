"""Published checkpoints at true size: every key and shape has its place, on the meta device."""

import gzip
import json
from pathlib import Path

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from gesso.engines.catalog import find
from gesso.models.causal import LANGUAGE_KEYS
from gesso.models.checkpoints import check_complete, rename_keys
from gesso.models.megrez.convert import ORIGINAL_KEYS
from gesso.models.megrez.modules import MegrezForConditionalGeneration
from gesso.models.megrez.read_config import read_config, read_settings
from gesso.models.originals import build_text_config

MANIFESTS = Path(__file__).parents[2] / "manifests"


def manifest(name):
    with gzip.open(MANIFESTS / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_megrez_omni_fills_the_model():
    published = manifest("Megrez-3B-Omni")
    config, shapes = published["info"]["config"], published["keys"]
    with torch.device("meta"):
        module = MegrezForConditionalGeneration(read_config(config, read_settings(config, {})))
    names = rename_keys(shapes, ORIGINAL_KEYS)
    check_complete({ours: shapes[key] for key, ours in names.items()}, module)
    assert set(names) == set(shapes)
    assert count(module) == published["info"]["num_parameters"] == find("Megrez-3B-Omni").parameters
    parts = published["info"]["parameters_by_part"]
    found = [count(module.vision), count(module.resampler), count(module.language_model)]
    assert found[0] == parts["vision tower (vision.vpm)"]
    assert found[1] == parts["vision connector (vision.resampler)"]
    assert found[2] == sum(size for part, size in parts.items() if part.startswith("llm"))
    assert count(module.audio) == sum(size for part, size in parts.items() if part.startswith("audio"))


def test_megrez_instruct_fills_a_llama():
    published = manifest("Megrez-3B-Instruct")
    config, shapes = published["info"]["config"], published["keys"]
    with torch.device("meta"):
        module = LlamaForCausalLM(build_text_config(config, LlamaConfig))
    names = rename_keys(shapes, LANGUAGE_KEYS)
    check_complete({ours: shapes[key] for key, ours in names.items()}, module)
    assert set(names) == set(shapes)
    assert count(module) == published["info"]["num_parameters"] == find("Megrez-3B-Instruct").parameters
