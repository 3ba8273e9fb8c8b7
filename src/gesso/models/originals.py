"""Reading originals of the LLaVA kind: flat configs, tokenizers, and what a load must not leave unsaid.

Such a config.json mixes the settings of the language model with those of towers and projector.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError, UsageError
from gesso.models.checkpoints import open_tensors, weight_files
from gesso.models.shared import lender_of, read_shared

__all__ = [
    "SIZES",
    "add_picture_tokens",
    "build_text_config",
    "dtype_of",
    "has_tokenizer",
    "language_tensors",
    "load_saved",
    "load_tokenizer",
    "require_clean",
    "unused_token",
]

M = TypeVar("M", bound=PreTrainedModel)

PROJECTOR_FILE: Final = "mm_projector.bin"
"""What the first stage of training leaves."""

SIZES: Final = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
)  # fmt: skip
"""Entries of a config that say how large a language model is."""


def build_text_config(
    config: Mapping[str, Any], config_class: type[PreTrainedConfig], sizes: Sequence[str] = SIZES
) -> PreTrainedConfig:
    """The language model's config inside a flat config.

    Args:
        config: the whole config.json.
        config_class: of the language model.
        sizes: entries that the checkpoint must state.

    Raises:
        CheckpointError: a size is missing.
    """
    missing = [name for name in sizes if name not in config]
    if missing:
        raise CheckpointError(f"config.json lacks {', '.join(missing)}; "
                              "it is not of a model of this kind, or was cut")  # fmt: skip
    # the flat config mixes the family's own settings in, which must not become attributes of a text config
    known = set(inspect.signature(config_class).parameters) | {"rope_theta", "rope_scaling"}
    # the name of the architecture and the dtype belong to the whole, not to its language model
    known -= {"architectures", "dtype", "torch_dtype", "transformers_version"}
    return config_class.from_dict({key: value for key, value in config.items() if key in known})


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder brings a tokenizer."""
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model"))


def load_tokenizer(folder: Path, text: PreTrainedConfig | None = None) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, or that of the folder whose weights it borrows; a flat config.json beside it is
    not read."""
    if not has_tokenizer(folder):
        folder = lender_of(folder) or folder
    try:
        # without `config` transformers would read the flat config.json as its own LlavaConfig
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, config=text)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} has no tokenizer that can be read: {error}") from error
    return tokenizer


def add_picture_tokens(tokenizer: PreTrainedTokenizerBase, config: Mapping[str, Any]) -> None:
    """Add the picture tokens the original adds after loading; mm_use_im_patch_token is true unless said."""
    added = ["<im_patch>"] if config.get("mm_use_im_patch_token", True) else []
    if config.get("mm_use_im_start_end", False):
        added += ["<im_start>", "<im_end>"]
    # tokens it already has are left as they are
    tokenizer.add_tokens(added, special_tokens=True)


def dtype_of(tensors: Mapping[str, Tensor], embeddings: Sequence[str]) -> torch.dtype:
    """The dtype of the language model, from its embeddings under any of these names.

    Raises:
        CheckpointError: there are none.
    """
    found = [tensors[name].dtype for name in embeddings if name in tensors]
    if not found:
        raise CheckpointError(f"the checkpoint has no token embeddings ({' or '.join(embeddings)}); "
                              "a file of its weights is missing, fetch it again")  # fmt: skip
    return found[0]


def unused_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """An id that no text gives, to stand for pictures where transformers reads ids by itself."""
    # never looked for in our ids, which hold IMAGE_INDEX; transformers' own generate needs some number
    return int(tokenizer.unk_token_id or 0)


def language_tensors(folder: Path, base: Path | None, *, lora: bool = False) -> dict[str, Tensor]:
    """The language model's weights, and what lies in the same files, under original key names.

    Args:
        folder: of the checkpoint.
        base: of the language model, for a checkpoint that holds no whole one.
        lora: whether the checkpoint is an adapter, which is merged later.

    Raises:
        CheckpointError: there are no weights.
        UsageError: the base is missing, or given where nothing would use it.
    """
    own, projector = weight_files(folder), folder / PROJECTOR_FILE
    if not lora and not own and not projector.is_file():
        raise CheckpointError(f"{folder} has neither weights nor {PROJECTOR_FILE}; fetch it again")
    if base is None:
        if lora or not own:
            what = "a LoRA adapter" if lora else "a projector alone"
            raise UsageError(f"{folder} holds {what}; give base, the language model it was trained on")
        return open_tensors(own)
    if not lora and not projector.is_file():
        raise UsageError(f"{folder} is complete; leave out base")
    files = weight_files(base)
    if not files:
        raise CheckpointError(f"the base {base} has no weight files; give the folder of a language model")
    # a projector beside whole weights was trained further than these: the original, too, takes the base's
    return open_tensors(files) | ({} if lora else open_tensors([projector]))


def load_saved(module_class: type[M], folder: Path, dtype: torch.dtype | None) -> M:
    """A module from a folder in transformers' own form; None keeps the dtype in which it was saved.

    Raises:
        CheckpointError: weights are missing, left over or of another shape.
    """
    borrowed = read_shared(folder)
    if borrowed is None:
        loaded: Any = module_class.from_pretrained(folder, dtype=dtype or "auto", output_loading_info=True)
    else:
        config = AutoConfig.from_pretrained(folder)
        # transformers fills it, which knows names that folders were saved under before
        loaded = module_class.from_pretrained(
            None, config=config, state_dict=borrowed, dtype=dtype or config.dtype, output_loading_info=True
        )
    module, report = loaded
    require_clean(report, folder)
    whole: M = module
    return whole


def require_clean(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse what transformers only warns of: weights missing, left over or of another shape."""
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        keys = sorted(map(str, report[what]))
        if keys:
            raise CheckpointError(
                f"{folder}: {len(keys)} {what.replace('_', ' ')}, such as {', '.join(keys[:5])}; "
                "weights and config.json must come from the same model"
            )
