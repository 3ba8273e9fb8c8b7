"""Tiny Mini-Gemini checkpoints in the original's form, with random weights, written to disk."""

import json
import re

import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, ConvNextConfig, GemmaConfig, LlamaConfig, MixtralConfig

import tiny
from gesso.models.mgm.model import MgmChat
from gesso.models.mgm.modules import MgmForConditionalGeneration, module_config
from gesso.models.mgm.processor import MgmProcessor
from gesso.models.mgm.settings import MgmSettings

CLIP = "clip-vit-tiny"
OPENCLIP = "openclip-convnext-tiny"
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
    "projection_dim": 8,
}
SIZES = {
    "vocab_size": len(tiny.tokenizer()),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
}
FLAT = {
    **SIZES,
    "model_type": "mgm",
    "architectures": ["MGMLlamaForCausalLM"],
    "mm_vision_tower": f"model_zoo/OpenAI/{CLIP}",
    "mm_vision_tower_aux": f"model_zoo/OpenAI/{OPENCLIP}",
    "mm_projector_type": "mlp2x_gelu",
    "mm_use_im_patch_token": False,
    "image_aspect_ratio": "pad",
    "image_size_aux": 64,
    "tokenizer_model_max_length": 256,
}
FAMILIES = {
    "llama": LlamaConfig,
    "gemma": GemmaConfig,
    "mixtral": MixtralConfig,
}
EXTRAS = {
    "gemma": {"head_dim": 8},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "llama": {},
}
NAMES = (
    ("model.language_model.", "model."),
    ("model.vision_tower.", "model.vision_tower.vision_tower.vision_model."),
    ("model.multi_modal_projector.", "model.mm_projector."),
    *(
        (f"model.detail_mining.{ours}.{part}.", f"model.vlm_uni_{theirs}_projector.{number}.")
        for ours, theirs in (("query", "query"), ("key", "aux"), ("value", "val"))
        for number, part in enumerate(("norm", "linear"))
    ),
    ("model.vision_tower_aux.embeddings.patch_embeddings.", "model.vision_tower_aux.vision_stem.0."),
    ("model.vision_tower_aux.embeddings.layernorm.", "model.vision_tower_aux.vision_stem.1."),
)
BLOCK = {"layer_scale_parameter": "gamma", "dwconv": "conv_dw", "layernorm": "norm",
         "pwconv1": "mlp.fc1", "pwconv2": "mlp.fc2"}  # fmt: skip


def settings(**changes):
    fields = {"image_size": 28, "patch_size": 14, "image_size_aux": 64, "max_length": 256}
    return MgmSettings(**{**fields, **changes})


def module(of=None, *, family="llama", seed=0, **changes):
    """A tiny module of ours."""
    torch.manual_seed(seed)
    text = FAMILIES[family](**SIZES, **EXTRAS[family], bos_token_id=0, eos_token_id=1, pad_token_id=2,
                            initializer_range=0.3)  # fmt: skip
    vision = CLIPVisionConfig(**TOWER, initializer_range=0.3)
    detail = ConvNextConfig(depths=[1, 1, 2, 1], hidden_sizes=[4, 6, 8, 10], layer_norm_eps=1e-6,
                            initializer_range=0.3, layer_scale_init_value=0.5)  # fmt: skip
    config = module_config(of or settings(), vision, detail, text, **changes)
    return MgmForConditionalGeneration(config).eval()


def chat(of=None, **changes):
    of = of or settings(template="storybook")
    return MgmChat(module(of, **changes), MgmProcessor(tiny.tokenizer(), of))


def weights(of=None, **changes):
    """A tiny module's weights under the original's names."""
    return dict(_renamed(name, tensor.clone()) for name, tensor in module(of, **changes).state_dict().items())


def _renamed(name, tensor):
    stage = re.fullmatch(r"model\.vision_tower_aux\.encoder\.stages\.(\d+)\.(.+)", name)
    if stage:
        rest = re.sub(r"^downsampling_layer", "downsample", stage[2])
        block = re.fullmatch(r"layers\.(\d+)\.(\w+)(.*)", rest)
        if block:
            rest = f"blocks.{block[1]}.{BLOCK[block[2]]}{block[3]}"
        return f"model.vision_tower_aux.vision_stages.{stage[1]}.{rest}", tensor
    for ours, theirs in NAMES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours), tensor
    return name, tensor


def write(folder, tensors, **changes):
    """A checkpoint folder without towers beside it; an entry that is `...` is left out of the config."""
    return tiny.write_checkpoint(folder, tensors, {**FLAT, **changes})


def write_clip(folder, tensors=None):
    """The low-resolution tower's folder; its weights are those of a checkpoint, if given."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**TOWER, "model_type": "clip_vision_model"}))
    prefix = "model.vision_tower.vision_tower."
    own = {key.removeprefix(prefix): t for key, t in (tensors or {}).items() if key.startswith(prefix)}
    if own:
        save_file({**own, "logit_scale": torch.ones(())}, folder / "model.safetensors")
    return folder


def write_openclip(folder, tensors):
    """The high-resolution tower's folder, a whole OpenCLIP."""
    folder.mkdir(parents=True)
    prefix = "model.vision_tower_aux.vision_"
    own = {key.replace(prefix, "visual.trunk."): t for key, t in tensors.items() if key.startswith(prefix)}
    extra = {"visual.head.mlp.fc1.weight": torch.ones(2, 2), "positional_embedding": torch.ones(2, 2)}
    torch.save(own | extra, folder / "open_clip_pytorch_model.bin")
    return folder


def towers_of(tensors):
    return {key for key in tensors if key.startswith("model.vision_tower")}
