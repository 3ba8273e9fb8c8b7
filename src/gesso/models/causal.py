"""Causal language models from a folder, with every key accounted for, packed by bitsandbytes or not."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedConfig, PreTrainedModel

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.checkpoints import KeyRule, fill, open_tensors, read_json, rename_keys, weight_files
from gesso.models.quantised import dense_shapes, dense_tensors, group_keys
from gesso.models.shared import read_shared

__all__ = ["LANGUAGE_KEYS", "load_language_model", "model_class_of", "uses_bitsandbytes"]

LANGUAGE_KEYS: Final = (
    KeyRule(r"(?:.+\.)?rotary_emb\.inv_freq", None),  # a constant that early files hold
    KeyRule(r"(.+)", r"\1"),
)
"""Causal language models have transformers' own names."""


def load_language_model(
    folder: Path, *, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> PreTrainedModel:
    """A causal language model, ready for inference.

    Weights that bitsandbytes packed stay packed on a GPU where it is installed. Anywhere else they are
    unpacked to `dtype` on loading, so that such a checkpoint runs on any machine with memory for it.

    Args:
        folder: a folder in transformers' form.
        dtype: what to compute in.
        device: where; None is the CPU.

    Raises:
        CheckpointError: files are missing, damaged, or do not fit the model their config describes.
        UnsupportedError: the weights are packed in another way.
    """
    device = device or torch.device("cpu")
    config = _read_config(folder)
    packing = getattr(config, "quantization_config", None)
    packed = packing is not None and uses_bitsandbytes(packing)
    if packed and device.type == "cuda" and find_spec("bitsandbytes"):
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=dtype, device_map={"": device}
        )
    else:
        model = _load_dense(folder, config, dtype)
        model.to(device)  # type: ignore[arg-type]
    if (folder / "generation_config.json").is_file():  # it names the tokens that end a reply
        model.generation_config = GenerationConfig.from_pretrained(folder)
    model.eval()
    return model


def uses_bitsandbytes(packing: Any) -> bool:
    """Whether a config's `quantization_config` is bitsandbytes'.

    Raises:
        UnsupportedError: it is another one.
    """
    settings = packing if isinstance(packing, dict) else packing.to_dict()
    method = str(settings.get("quant_method", "bitsandbytes"))  # files before 2024 name none
    if method.rpartition(".")[2].lower() != "bitsandbytes":
        raise UnsupportedError(f"weights packed by {method!r}; gesso reads plain ones and those of "
                               "bitsandbytes, so choose the checkpoint without quantisation")  # fmt: skip
    return True


def model_class_of(config: PreTrainedConfig) -> type[PreTrainedModel]:
    """The causal language model of transformers for a config.

    Raises:
        UnsupportedError: there is none.
    """
    table: Any = AutoModelForCausalLM._model_mapping
    if type(config) not in table:
        raise UnsupportedError(f"a config of type {config.model_type!r} belongs to no causal language model "
                               "of transformers")  # fmt: skip
    found: type[PreTrainedModel] = table[type(config)]
    return found


def _read_config(folder: Path) -> PreTrainedConfig:
    fields = read_json(folder / "config.json")
    scaling = fields.get("rope_scaling")
    if isinstance(scaling, dict) and scaling.get("type") == "su":  # Phi-3's first name for it
        fields["rope_scaling"] = {**scaling, "type": "longrope"}
    fields.pop("auto_map", None)  # code of the repository, which is never run
    try:
        config: PreTrainedConfig = AutoConfig.for_model(fields.pop("model_type", ""), **fields)
    except (LookupError, TypeError, ValueError, StrictDataclassError) as error:
        raise CheckpointError(f"cannot read the config of {folder}: {error}") from error
    window = getattr(config, "sliding_window", None)
    if window is not None and window >= config.max_position_embeddings:
        config.sliding_window = None  # it never comes to bear, but would forbid cutting the cache back
    return config


def _load_dense(folder: Path, config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    files = weight_files(folder)
    if not files:
        raise CheckpointError(f"{folder} holds no weights; it needs model.safetensors or pytorch_model.bin")
    tensors = read_shared(folder) or open_tensors(files)
    model_class = model_class_of(config)
    if getattr(config, "quantization_config", None) is not None:
        stored = group_keys(tensors)
        with torch.device("meta"):
            wanted = {name: weight.shape for name, weight in model_class(config).state_dict().items()}
        dense_shapes(stored, {key: tensor.shape for key, tensor in tensors.items()}, wanted)
        tensors = dense_tensors(stored, tensors, dtype)
        del config.quantization_config
    names = rename_keys(tensors, LANGUAGE_KEYS)
    return fill(model_class, config, {ours: tensors[key] for key, ours in names.items()}, dtype)
