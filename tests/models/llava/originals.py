"""Tiny LLaVA checkpoints in the original's form, with random weights, written to disk."""

import json

import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig

import tiny
from gesso.models.llava.modules import build_module, module_config
from gesso.models.llava.settings import LlavaSettings

TOWER = {
    "model_type": "clip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
    "projection_dim": 8,
}
PINPOINTS = [[28, 56], [56, 28], [56, 56]]
FLAT = {
    "model_type": "llava",
    "architectures": ["LlavaLlamaForCausalLM"],
    "vocab_size": len(tiny.tokenizer()),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "mm_vision_tower": "tower",
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_use_im_patch_token": False,
    "image_aspect_ratio": "pad",
    "tokenizer_model_max_length": 256,
}
ANYRES = {
    "image_aspect_ratio": "anyres",
    "mm_patch_merge_type": "spatial_unpad",
    "image_grid_pinpoints": PINPOINTS,
}


def tower(seed=1, **changes):
    torch.manual_seed(seed)
    fields = {**TOWER, **changes}
    fields.pop("model_type")
    return CLIPVisionModel(CLIPVisionConfig(**fields, initializer_range=0.3))


def settings(**changes):
    return LlavaSettings(**{"image_size": 28, "patch_size": 7, "max_length": 256, **changes})


def module(of=None, seed=0, **changes):
    """A tiny module of ours."""
    torch.manual_seed(seed)
    text = LlamaConfig(
        **{key: FLAT[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                                      "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
                                      "rms_norm_eps")},
        bos_token_id=0, eos_token_id=1, initializer_range=0.3, **changes,
    )  # fmt: skip
    fields = {key: value for key, value in TOWER.items() if key != "model_type"}
    return build_module(module_config(of or settings(), CLIPVisionConfig(**fields), text)).eval()


def weights(of=None, seed=0):
    """A tiny module's weights under the original's names."""
    renamed = {}
    for name, tensor in module(of, seed).state_dict().items():
        for ours, theirs in (
            ("model.language_model.", "model."),
            ("model.vision_tower.", "model.vision_tower.vision_tower.vision_model."),
            ("model.multi_modal_projector.linear_1.", "model.mm_projector.0."),
            ("model.multi_modal_projector.linear_2.", "model.mm_projector.2."),
            ("model.multi_modal_projector.", "model.mm_projector."),
        ):
            if name.startswith(ours):
                name = theirs + name.removeprefix(ours)
                break
        renamed[name] = tensor.clone()
    return renamed


def language_only(tensors):
    return {
        k: t
        for k, t in tensors.items()
        if k.startswith(("model.layers", "model.embed", "model.norm", "lm_head"))
    }


def write(folder, tensors, **changes):
    """A checkpoint folder without its tower."""
    return tiny.write_checkpoint(folder, tensors, {**FLAT, **changes})


def write_tower(folder, **changes):
    """A CLIP folder; returns its weights under the keys of the file."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**TOWER, **changes}))
    tensors = {f"vision_model.{name}": tensor.clone() for name, tensor in tower().state_dict().items()}
    save_file({**tensors, "logit_scale": torch.ones(())}, folder / "model.safetensors")
    return tensors


def checkpoint(folder, tensors=None, **changes):
    """A whole checkpoint with the tower beside it."""
    write(folder, weights() if tensors is None else tensors, **changes)
    write_tower(folder / "tower")
    return folder
