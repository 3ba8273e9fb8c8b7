"""DeepFloyd IF at tiny size: folders of both stages, of the true classes with random weights."""

from pathlib import Path

import torch
from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline, UNet2DConditionModel
from transformers import T5Config, T5EncoderModel

from diffusion.tiny_paint import VOCABULARY, tokenizers

UNET = {
    "layers_per_block": 1,
    "block_out_channels": [8, 16],
    "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": ["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
    "out_channels": 6,
    "cross_attention_dim": 32,
    "encoder_hid_dim": 8,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 2,
    "cross_attention_norm": "group_norm",
    "resnet_time_scale_shift": "scale_shift",
    "act_fn": "gelu",
}
NONE = {
    "safety_checker": None,
    "feature_extractor": None,
    "watermarker": None,
    "requires_safety_checker": False,
}


def scheduler() -> DDPMScheduler:
    return DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range")


def first_stage(seed: int = 0) -> IFPipeline:
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=VOCABULARY, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, num_decoder_layers=1
    )
    (tokenizer,) = tokenizers(1)
    unet = UNet2DConditionModel(**UNET, sample_size=16, in_channels=3)
    return IFPipeline(tokenizer, T5EncoderModel(config).eval(), unet, scheduler(), **NONE)


def second_stage(seed: int = 1) -> IFSuperResolutionPipeline:
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        **UNET, sample_size=64, in_channels=6, class_embed_type="timestep", time_embedding_dim=16,
        time_embedding_act_fn="gelu", mid_block_scale_factor=1.414,
    )  # fmt: skip
    return IFSuperResolutionPipeline(None, None, unet, scheduler(), scheduler(), **NONE)


def cascade_folders(place: Path) -> tuple[str, str]:
    """Folders of both stages."""
    first_stage().save_pretrained(place / "first")
    second_stage().save_pretrained(place / "second")
    return str(place / "first"), str(place / "second")
