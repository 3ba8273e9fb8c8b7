"""Loading Mini-Gemini from every form it is published in.

- Checkpoints of the second stage: the whole model, with or without its towers.
- Checkpoints of the first stage (mm_projector.bin), with the language model they were trained on.
- Folders that gesso saved.

Which of them a folder is follows from its files and config, never from its name (dvlab-research/MGM at
769820c, `mgm/model/builder.py`, goes by names).
"""

from pathlib import Path
from typing import Final

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError, UsageError
from gesso.models.checkpoints import (
    KeyRule,
    fill,
    read_json,
    rename_keys,
    resolve_folder,
)
from gesso.models.mgm.detail_tower import detail_rules
from gesso.models.mgm.experts import stack_experts
from gesso.models.mgm.model import MgmChat
from gesso.models.mgm.modules import MgmConfig, MgmForConditionalGeneration, module_config
from gesso.models.mgm.processor import MgmProcessor
from gesso.models.mgm.read_config import (
    choose_template,
    is_original,
    read_settings,
    read_text_config,
    tokenizer_config,
    wants_exact_gelu,
)
from gesso.models.mgm.towers import find_clip, find_detail_tower
from gesso.models.originals import (
    add_picture_tokens,
    dtype_of,
    has_tokenizer,
    language_tensors,
    load_saved,
    load_tokenizer,
    unused_token,
)
from gesso.models.pixels import PixelSettings

__all__ = ["load_mgm", "original_key_rules"]

EMBEDDINGS: Final = ("model.embed_tokens.weight", "lm_head.weight")

MODEL: Final = r"model\."
MINING: Final = {"query": "query", "aux": "key", "val": "value"}
"""The parts of detail mining: the original's names, then ours."""


def load_mgm(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device | None = None,
    base: str | Path | None = None,
    tower: str | Path | None = None,
    tower_aux: str | Path | None = None,
) -> MgmChat:
    """Load a Mini-Gemini.

    Args:
        path: folder, or repository of the Hub.
        dtype: of the weights; None keeps that of the checkpoint's language model.
        device: where the model goes; None leaves it on the CPU.
        base: the language model that a checkpoint of the first stage belongs to.
        tower: the CLIP that the checkpoint names as `mm_vision_tower`, if it lies elsewhere.
        tower_aux: the OpenCLIP ConvNeXt that it names as `mm_vision_tower_aux`, likewise.

    Raises:
        CheckpointError: files are missing or damaged, or keys and model do not fit; keys are named.
        UnsupportedError: a kind of Mini-Gemini that gesso does not have.
        UsageError: `base` is missing, or something is given where nothing would use it.
    """
    folder = resolve_folder(path)
    if is_original(read_json(folder / "config.json")):
        chat = _load_original(folder, dtype, base, tower, tower_aux)
    elif base is None and tower is None and tower_aux is None:
        chat = _load_saved(folder, dtype)
    else:
        raise UsageError(f"{folder} is complete; leave out base, tower and tower_aux")
    if device is not None:
        module: nn.Module = chat.module
        module.to(device)
    return chat


def original_key_rules(*, tied: bool) -> list[KeyRule]:
    """From key names of dvlab-research/MGM to those of our module, experts joined beforehand.

    Args:
        tied: whether the head is the table of embeddings, as Gemma's is, and a copy of it is passed over.
    """
    language = "model.language_model."
    return [
        # derived buffers, recomputed from the config
        KeyRule(r".*\.rotary_emb\.inv_freq", None),
        KeyRule(r".*\.embeddings\.position_ids", None),
        KeyRule(r"(lm_head\..*)", None if tied else r"\1"),
        KeyRule(rf"{MODEL}(layers\.\d+)\.block_sparse_moe\.(.*)", rf"{language}\1.mlp.\2"),
        KeyRule(rf"{MODEL}((?:embed_tokens|layers|norm)\..*)", rf"{language}\1"),
        KeyRule(rf"{MODEL}vision_tower\.vision_tower\.vision_model\.(.*)", r"model.vision_tower.\1"),
        *detail_rules("model.vision_tower_aux."),
        KeyRule(rf"{MODEL}mm_projector\.(.*)", r"model.multi_modal_projector.\1"),
        *(
            KeyRule(rf"{MODEL}vlm_uni_{their}_projector\.{n}\.(.*)", rf"model.detail_mining.{our}.{part}.\1")
            for their, our in MINING.items()
            for n, part in enumerate(("norm", "linear"))
        ),
    ]


def _load_original(
    folder: Path,
    dtype: torch.dtype | None,
    base: str | Path | None,
    tower: str | Path | None,
    tower_aux: str | Path | None,
) -> MgmChat:
    config = read_json(folder / "config.json")
    source = resolve_folder(base) if base is not None else None
    text = read_text_config(config)
    tensors = language_tensors(folder, source)
    vision, pixels, added = find_clip(tensors, config, folder, tower)
    detail, added_detail = find_detail_tower(tensors, config, folder, tower_aux)
    tensors |= added | added_detail
    settings = read_settings(config, vision, choose_template(config))
    # folders of the first stage leave the tokenizer to their base
    home = folder if source is None or has_tokenizer(folder) else source
    tokenizer = load_tokenizer(home, tokenizer_config(text))
    add_picture_tokens(tokenizer, config)
    _require_rows(len(tokenizer), text.vocab_size)
    whole = module_config(
        settings,
        vision,
        detail,
        text,
        exact_gelu=wants_exact_gelu(config),
        image_token_index=unused_token(tokenizer),
    )
    stacked = stack_experts(tensors)
    names = rename_keys(stacked, original_key_rules(tied=text.tie_word_embeddings))
    ours = {name: stacked[key] for key, name in names.items()}
    module = fill(MgmForConditionalGeneration, whole, ours, dtype or dtype_of(tensors, EMBEDDINGS))
    chat = MgmChat(module, MgmProcessor(tokenizer, settings, pixels=pixels))
    _end_answers(chat, tokenizer)
    return chat


def _require_rows(tokens: int, rows: int) -> None:
    if tokens > rows:
        raise CheckpointError(f"the tokenizer has {tokens} tokens, the model embeddings for {rows}; "
                              "the tokenizer must be the checkpoint's own")  # fmt: skip


def _end_answers(chat: MgmChat, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let answers end at the template's first end token, besides the tokenizer's.

    A Llama 3 would else go on for ever (issue 130), a Gemma say two tokens more.
    """
    end = chat.processor.template.around_answer[1] or ""
    tokens = {token.content: number for number, token in tokenizer.added_tokens_decoder.items()}
    ends = {number for token, number in tokens.items() if end.strip().startswith(token)}
    generation = chat.module.generation_config
    if generation is not None:
        generation.eos_token_id = sorted({*ends, int(tokenizer.eos_token_id)})


def _load_saved(folder: Path, dtype: torch.dtype | None) -> MgmChat:
    """A folder that gesso saved."""
    kind = read_json(folder / "config.json").get("model_type")
    if kind != MgmConfig.model_type:
        raise CheckpointError(f"{folder} holds a model of type {kind}; allowed: {MgmConfig.model_type}, or "
                              "an original Mini-Gemini checkpoint")  # fmt: skip
    module = load_saved(MgmForConditionalGeneration, folder, dtype)
    pixels = PixelSettings.from_folder(folder)
    return MgmChat(module, MgmProcessor(load_tokenizer(folder), module.config.settings, pixels=pixels))
