"""Painting models in one safetensors file with Stability's names, as they are passed around.

UNet and VAE are translated by diffusers, with configs that come with gesso; the text encoders here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from diffusers import AutoencoderKL, ModelMixin, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from huggingface_hub import try_to_load_from_cache
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.encode import PromptEncoder, TextModel
from gesso.diffusion.files import (
    read_object,
    read_tensors,
    read_tokenizer,
    reading,
    require_complete,
    some,
)
from gesso.diffusion.memory import FULL, Precision, cast
from gesso.diffusion.parts import PaintModel

__all__ = ["CONFIGS", "read_single_file"]

Part = TypeVar("Part", bound=ModelMixin)

CONFIGS: Final = Path(__file__).parent / "configs"

VOCABULARY: Final = "openai/clip-vit-large-patch14"
"""The repository whose vocabulary both tokenizers use; the second fills with "!" (id 0)."""

UNET: Final = "model.diffusion_model."
VAE: Final = "first_stage_model."
CLIP_L: Final = {"sd15": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}
BIG_G: Final = "conditioner.embedders.1.model."

LEFT_OUT: Final = re.compile(
    r"model_ema\..*|.*position_ids|.*logit_scale|.*attn_mask|denoiser\.sigmas|conditioner\.embedders\.0\..*"
    r"text_projection.*|(alphas|betas|sqrt|log_one_minus|posterior).*|lvlb_weights|scale_factor"
)
"""Keys that are knowingly dropped: averaged copies, buffers, tables of the training schedule."""

_OLD: Final = r"transformer\.resblocks\.(\d+)\."
_NEW: Final = r"text_model.encoder.layers.\1."

OPEN_CLIP: Final = (
    (r"token_embedding\.weight", "text_model.embeddings.token_embedding.weight"),
    (r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"ln_final\.(.+)", r"text_model.final_layer_norm.\1"),
    (r"text_projection", "text_projection.weight"),
    (_OLD + r"ln_([12])\.(.+)", _NEW + r"layer_norm\2.\3"),
    (_OLD + r"mlp\.c_fc\.(.+)", _NEW + r"mlp.fc1.\2"),
    (_OLD + r"mlp\.c_proj\.(.+)", _NEW + r"mlp.fc2.\2"),
    (_OLD + r"attn\.out_proj\.(.+)", _NEW + r"self_attn.out_proj.\2"),
    (_OLD + r"attn\.in_proj_(.+)", _NEW + r"self_attn.{}_proj.\2"),
)  # fmt: skip
"""OpenCLIP's names -> transformers'; {} stands for q, k and v, which OpenCLIP keeps in one matrix."""


def read_single_file(
    path: Path,
    *,
    tokenizer: Path | None = None,
    numbers: Precision = FULL,
    configs: Path = CONFIGS,
) -> PaintModel:
    """The model in a single file.

    Args:
        path: a .safetensors file with UNet, VAE and text encoders of SD 1.5 or SDXL.
        tokenizer: a folder with CLIP's vocab.json and merges.txt, which single files lack. None takes a
            folder "tokenizer" beside the file, or the vocabulary in the cache of the Hub.
        numbers: what the parts are kept in.
        configs: where the configs of "sd15" and "sdxl" lie.

    Raises:
        CheckpointError: the file is damaged or incomplete, or there is no vocabulary.
        UnsupportedError: it holds something else than a text-to-image model of SD 1.5 or SDXL.
    """
    tensors = read_tensors(path).tensors
    kind = _kind(path, tensors)
    _require_known_keys(path, tensors, kind)
    folder = configs / kind
    vocabulary = _vocabulary(path, tokenizer)
    clip_l = {key.removeprefix("text_model."): t for key, t in _under(tensors, CLIP_L[kind]).items()}
    tokenizers = [read_tokenizer(vocabulary)]
    encoders = [_encoder(CLIPTextModel, path, clip_l, folder / "text_encoder", numbers.model)]
    if kind == "sdxl":
        big_g = dict(_from_open_clip(_under(tensors, BIG_G)))
        second = folder / "text_encoder_2"
        encoders.append(_encoder(CLIPTextModelWithProjection, path, big_g, second, numbers.model))
        tokenizers.append(read_tokenizer(vocabulary, pad_token="!"))
    held = (_under(tensors, prefix, keep=True) for prefix in (UNET, VAE))
    unet = _translated(UNet2DConditionModel, convert_ldm_unet_checkpoint, next(held), folder / "unet", path)
    vae = _translated(AutoencoderKL, convert_ldm_vae_checkpoint, next(held), folder / "vae", path)
    return PaintModel(
        cast(unet, numbers.model),
        cast(vae, numbers.vae),
        PromptEncoder(tuple(tokenizers), tuple(encoders)),
        read_object(folder / "scheduler" / "scheduler_config.json"),
    )


def _kind(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """ "sd15" or "sdxl"."""
    start = tensors.get(f"{UNET}input_blocks.0.0.weight")
    if start is None:
        is_lora = any("lora" in key for key in tensors)
        hint = "it is a LoRA, which is added to a model" if is_lora else f"it holds {some(sorted(tensors))}"
        raise UnsupportedError(f"{path} is no single-file model of SD 1.5 or SDXL: {hint}")
    if start.shape[1] != 4:
        raise UnsupportedError(
            f"{path} takes {start.shape[1]} channels, as inpainting and editing models do; "
            "use a text-to-image model, which can inpaint too"
        )
    for kind, prefix in CLIP_L.items():
        second = kind == "sd15" or any(key.startswith(BIG_G) for key in tensors)
        if second and any(key.startswith(prefix) for key in tensors):
            return kind
    raise UnsupportedError(
        f"{path} lacks the text encoders of SD 1.5 and of SDXL; SD 2 and the SDXL refiner are not served, "
        "and a file with a UNet alone needs the diffusers folder it belongs to"
    )


def _require_known_keys(path: Path, tensors: Mapping[str, Tensor], kind: str) -> None:
    prefixes = (UNET, VAE, CLIP_L[kind], *([BIG_G] if kind == "sdxl" else []))
    unknown = sorted(key for key in tensors if not key.startswith(prefixes) and not LEFT_OUT.fullmatch(key))
    if unknown:
        raise CheckpointError(f"{path} holds weights this model has no place for: {some(unknown)}")


def _under(tensors: Mapping[str, Tensor], prefix: str, *, keep: bool = False) -> dict[str, Tensor]:
    """Tensors whose key begins with a prefix, without it unless it is to be kept."""
    return {
        key if keep else key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix) and not LEFT_OUT.fullmatch(key)
    }


def _translated(
    kind: type[Part],
    convert: Callable[..., dict[str, Tensor]],
    tensors: Mapping[str, Tensor],
    folder: Path,
    path: Path,
) -> Part:
    """A part whose tensors diffusers gives its own names, in the precision they are stored in."""
    config = read_object(folder / "config.json")
    with reading(path):
        renamed = convert(dict(tensors), config)
    with torch.device("meta"):
        model: Part = kind.from_config(config)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    shared = wanted.keys() & renamed.keys()
    require_complete(
        path,
        {
            "missing_keys": wanted.keys() - renamed.keys(),
            # what diffusers has no name for, it leaves out
            "unexpected_keys": [f"{len(tensors) - len(renamed)} more"] if len(tensors) > len(renamed) else [],
            "mismatched_keys": [name for name in shared if wanted[name] != renamed[name].shape],
        },
    )
    model.load_state_dict(renamed, assign=True)
    return model


def _encoder(
    kind: type[TextModel], path: Path, tensors: dict[str, Tensor], folder: Path, dtype: torch.dtype
) -> TextModel:
    """A text encoder of these tensors."""
    config = CLIPTextConfig(**read_object(folder / "config.json"))
    with reading(path):
        loaded: Any = kind.from_pretrained(
            None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True
        )
    model: TextModel = loaded[0]
    require_complete(path, loaded[1])
    return model


def _from_open_clip(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Tensors under transformers' names."""
    for key, tensor in tensors.items():
        name = next(
            (found.expand(target) for source, target in OPEN_CLIP if (found := re.fullmatch(source, key))),
            key,
        )
        if "{}" in name:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):  # [3 * D, ...] -> 3 x [D, ...]
                yield name.format(letter), part.clone()
        else:
            # OpenCLIP multiplies by this matrix from the right
            yield name, tensor.T.contiguous() if name == "text_projection.weight" else tensor


def _vocabulary(path: Path, tokenizer: Path | None) -> Path:
    """The folder with the vocabulary."""
    if tokenizer is not None:
        return tokenizer
    beside = path.parent / "tokenizer"
    cached = try_to_load_from_cache(VOCABULARY, "merges.txt")
    if beside.is_dir():
        return beside
    if isinstance(cached, str):
        return Path(cached).parent
    raise CheckpointError(
        f"{path} has no vocabulary in it, as no single file has; give tokenizer=, a folder with vocab.json "
        f"and merges.txt of {VOCABULARY}, or put such a folder beside the file under the name tokenizer"
    )
