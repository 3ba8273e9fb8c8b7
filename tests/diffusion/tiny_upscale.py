"""Stable Diffusion's x4 upscaler at tiny size, as a folder of diffusers."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from diffusion.tiny_paint import TEXT, UNET_SD15, tokenizers


def upscale_pipeline(seed: int = 0) -> StableDiffusionUpscalePipeline:
    """The true classes with random weights."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**UNET_SD15 | {"in_channels": 7, "num_class_embeds": 1000})
    vae = AutoencoderKL(
        block_out_channels=[4, 4, 8], layers_per_block=1, latent_channels=4, norm_num_groups=2,
        down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3,
        scaling_factor=0.08333,
    )  # fmt: skip
    (tokenizer,) = tokenizers(1)
    return StableDiffusionUpscalePipeline(
        vae=vae,
        unet=unet,
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)),
        tokenizer=tokenizer,
        low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(beta_start=0.0001, beta_end=0.02, clip_sample=False, set_alpha_to_one=False),
        max_noise_level=350,
    )


def upscaler_folder(place: Path) -> Path:
    """A folder to load it from."""
    upscale_pipeline().save_pretrained(place)
    return place
