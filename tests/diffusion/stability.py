"""Tiny models in the layout of single files, made from diffusers' names; the way back is what tests check."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from diffusion.tiny_paint import TEXT, TEXT_2, UNET_SD15, UNET_SDXL, VAE
from gesso.diffusion.names import stability_names
from gesso.diffusion.parts import PaintModel

VAE_NAMES = (
    ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"), ("mid_block.attentions.0.to_q", "mid.attn_1.q"),
    ("mid_block.attentions.0.to_k", "mid.attn_1.k"), ("mid_block.attentions.0.to_v", "mid.attn_1.v"),
    ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"), ("mid_block.resnets.0", "mid.block_1"),
    ("mid_block.resnets.1", "mid.block_2"), ("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut"),
    ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"), (".resnets.", ".block."),
    ("down_blocks.", "down."),
)  # fmt: skip


def configs(folder: Path) -> Path:
    """Configs of the tiny models, laid out as those that come with gesso."""
    scheduler = {"prediction_type": "epsilon"}
    for kind, unet, scale in (("sdxl", UNET_SDXL, 0.13025), ("sd15", UNET_SD15, 0.18215)):
        parts = {"unet": unet, "vae": VAE | {"scaling_factor": scale}, "text_encoder": TEXT}
        parts |= {"text_encoder_2": TEXT_2} if kind == "sdxl" else {}
        for part, config in parts.items():
            _write(folder / kind / part / "config.json", config)
        _write(folder / kind / "scheduler" / "scheduler_config.json", scheduler)
    return folder


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def single_file(model: PaintModel) -> dict[str, Tensor]:
    """All tensors of a model under Stability's names, with some of the keys that such files carry besides."""
    tensors = {f"model.diffusion_model.{key}": t for key, t in unet_tensors(model).items()}
    tensors |= {f"first_stage_model.{_vae_name(key)}": t for key, t in _vae_tensors(model).items()}
    tensors |= {"betas": torch.zeros(4), "model_ema.decay": torch.zeros(())}
    first = {f"text_model.{key}": t for key, t in model.text.encoders[0].state_dict().items()}
    if len(model.text.encoders) == 1:
        return tensors | {f"cond_stage_model.transformer.{key}": t for key, t in first.items()}
    tensors |= {f"conditioner.embedders.0.transformer.{key}": t for key, t in first.items()}
    second = _open_clip(model.text.encoders[1].state_dict())
    return tensors | {f"conditioner.embedders.1.model.{key}": t for key, t in second.items()}


def unet_tensors(model: PaintModel) -> dict[str, Tensor]:
    state = model.unet.state_dict()
    modules = sorted({key.rpartition(".")[0] for key in state})
    names = stability_names(model.unet.config, modules)
    assert sorted(names) == modules, "every module has a name in single files"
    return {
        f"{names[module]}.{end}": t for key, t in state.items() for module, _, end in [key.rpartition(".")]
    }


def _vae_tensors(model: PaintModel) -> dict[str, Tensor]:
    # attention is made of 1x1 convolutions there
    return {
        key: t[:, :, None, None] if "attentions" in key and t.ndim == 2 else t
        for key, t in model.vae.state_dict().items()
    }


def _vae_name(key: str) -> str:
    levels = len(VAE["block_out_channels"])
    for level in range(levels):  # the decoder's levels count the other way there
        key = key.replace(f"up_blocks.{level}.", f"up.{levels - 1 - level}.")
    for ours, theirs in VAE_NAMES:
        key = key.replace(ours, theirs)
    return key


def _open_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    plain = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
    }
    for key, tensor in state.items():
        name = plain.get(key, key.replace("text_model.final_layer_norm", "ln_final"))
        name = name.replace("text_model.encoder.layers", "transformer.resblocks").replace("layer_norm", "ln_")
        name = name.replace("mlp.fc1", "mlp.c_fc").replace("mlp.fc2", "mlp.c_proj")
        name = name.replace("self_attn.out_proj", "attn.out_proj")
        if name == "text_projection.weight":
            found["text_projection"] = tensor.T.contiguous()
        elif "_proj." in name and "self_attn" in name:
            stem, _, end = name.rpartition("self_attn.")
            whole = f"{stem}attn.in_proj_{end.rpartition('.')[2]}"
            prefix, suffix = f"{key.rpartition('self_attn.')[0]}self_attn.", key.rpartition(".")[2]
            found[whole] = torch.cat([state[f"{prefix}{letter}_proj.{suffix}"] for letter in "qkv"])
        else:
            found[name] = tensor
    return found | {"logit_scale": torch.zeros(())}


def write(model: PaintModel, path: Path, **more: Tensor) -> Path:
    save_file({key: t.contiguous() for key, t in (single_file(model) | more).items()}, path)
    return path
