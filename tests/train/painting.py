"""What the tests of the painter's training share: recipes of tiny parts, and folders they stand on."""

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerBase

from gesso.train.objectives.autoencoder import AutoencoderObjective
from gesso.train.objectives.diffusion import DiffusionObjective
from gesso.train.objectives.text_facts import TextFactsObjective
from gesso.train.texts import clip_tokenizer
from train.conftest import MakeRecipe

AUTOENCODER = (
    "model.shape.autoencoder={block_out_channels: [8, 8], latent_channels: 4, norm_num_groups: 4, "
    "down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D], layers_per_block: 1, "
    "up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D], mid_block_add_attention: false}"
)
UNET = (
    "model.shape.unet={block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4, "
    "down_block_types: [CrossAttnDownBlock2D, CrossAttnDownBlock2D], attention_head_dim: [1, 2], "
    "up_block_types: [CrossAttnUpBlock2D, CrossAttnUpBlock2D], addition_time_embed_dim: 4}"
)
JUDGE = "model.shape.judge={layer_type: basic, embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 1]}"
SIDE = 16
"""Of the latents of 32 px pictures."""


def autoencoder(make_recipe: MakeRecipe, *overrides: str) -> AutoencoderObjective:
    torch.manual_seed(0)
    return AutoencoderObjective(make_recipe("autoencoder", AUTOENCODER, "autoencoder={crop: 16}", *overrides))


def text_facts(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerBase, *overrides: str
) -> TextFactsObjective:
    torch.manual_seed(0)
    return TextFactsObjective(make_recipe("text-facts", "data.length=60", *overrides), tokenizer)


def diffusion(
    make_recipe: MakeRecipe, folder: Path, tokenizer: PreTrainedTokenizerBase, *overrides: str
) -> DiffusionObjective:
    """A tiny UNet on tiny parts, which are made in the folder."""
    parts = painter_parts(make_recipe, folder, tokenizer)
    torch.manual_seed(0)
    return DiffusionObjective(make_recipe("diffusion", UNET, *parts, *overrides))


def painter_parts(make_recipe: MakeRecipe, folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Settings that name an autoencoder and two text encoders, made in the folder if they are not there."""
    if not (folder / "text").exists():
        autoencoder(make_recipe).save(folder / "vae")
        text_facts(make_recipe, tokenizer).save(folder / "text-2")
        clip_folder(folder / "text", tokenizer)
    names = {"autoencoder": "vae", "text_encoder": "text", "text_encoder_2": "text-2"}
    return [f"model.{name}={(folder / place).as_posix()}" for name, place in names.items()]


def clip_folder(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """A CLIP whose text side is wide enough to tell texts apart."""
    torch.manual_seed(1)
    tokens = clip_tokenizer(tokenizer)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {
        **sizes,
        "vocab_size": len(tokens),
        "bos_token_id": tokens.bos_token_id,
        "eos_token_id": tokens.eos_token_id,
        "pad_token_id": tokens.pad_token_id,
        "initializer_range": 0.4,
    }
    CLIPModel(CLIPConfig(text_config=text, vision_config={**sizes, "image_size": 28, "patch_size": 14})) \
        .save_pretrained(folder)  # fmt: skip
    tokens.save_pretrained(folder)
