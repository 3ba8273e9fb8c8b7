"""Real painting models at tiny size: SDXL's shape with a fixture's weights, SD 1.5's with random ones."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image as Pictures
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from gesso.diffusion.conditions import PromptText, RegionPrompt, TextRegion
from gesso.diffusion.encode import PromptEncoder
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.parts import PaintModel
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import PaintSettings

PIPELINE = Path(__file__).parents[1] / "fixtures" / "omost" / "pipeline"
SIZE = (48, 32)
"""Width and height of a tiny picture; its latent is 24 x 16."""

VOCABULARY = 734
UNET_SDXL = {
    "sample_size": 16,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [8, 8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": [1, 2, 4],
    "cross_attention_dim": 40,
    "transformer_layers_per_block": [1, 1, 2],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 72,
}
UNET_SD15 = {
    "sample_size": 16,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "cross_attention_dim": 16,
}
VAE = {
    "block_out_channels": [4, 8],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
}
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "bos_token_id": 732,
    "eos_token_id": 733,
    "pad_token_id": 1,
    "initializer_factor": 8.0,
}
TEXT_2 = TEXT | {"hidden_size": 24, "projection_dim": 24, "num_attention_heads": 3, "hidden_act": "gelu"}


def weights(prefix: str) -> dict[str, Tensor]:
    """The fixture's weights below a prefix."""
    return {key.removeprefix(prefix): t for key, t in _fixture().items() if key.startswith(prefix)}


@cache
def _fixture() -> dict[str, Tensor]:
    return load_file(PIPELINE / "weights.safetensors")


def tokenizers(count: int) -> tuple:
    return tuple(
        AutoTokenizer.from_pretrained(PIPELINE / name) for name in ("tokenizer", "tokenizer_2")[:count]
    )


def sdxl_unet() -> UNet2DConditionModel:
    unet = UNet2DConditionModel(**UNET_SDXL).eval()
    unet.load_state_dict(weights("unet."))
    return unet


def sdxl(seed: int = 0) -> PaintModel:
    """SDXL's shape: two text encoders, the second with a projection."""
    torch.manual_seed(seed)
    first = CLIPTextModel(CLIPTextConfig(**TEXT)).eval()
    first.load_state_dict(weights("text_encoder.text_model."))
    second = CLIPTextModelWithProjection(CLIPTextConfig(**TEXT_2)).eval()
    second.text_model.load_state_dict(weights("text_encoder_2.text_model."))
    vae = AutoencoderKL(**VAE, scaling_factor=0.13025).eval()
    return PaintModel(sdxl_unet(), vae, PromptEncoder(tokenizers(2), (first, second)))


def sd15(seed: int = 0) -> PaintModel:
    """SD 1.5's shape: one text encoder, no pooled states."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**UNET_SD15).eval()
    vae = AutoencoderKL(**VAE).eval()
    encoder = CLIPTextModel(CLIPTextConfig(**TEXT)).eval()
    return PaintModel(unet, vae, PromptEncoder(tokenizers(1), (encoder,)))


@cache
def painter() -> Painter:
    """A painter of SDXL's shape, shared by tests; painting leaves nothing on it (see test_attention)."""
    return Painter(sdxl())


def box(top: int = 0, bottom: int = 90, left: int = 0, right: int = 90) -> np.ndarray:
    mask = np.zeros((90, 90), dtype=np.float32)
    mask[top:bottom, left:right] = 1
    return mask


WHOLE = RegionPrompt(box(), ("A quiet harbour at dawn.",), ("Wooden boats.",))
LEFT = RegionPrompt(
    box(right=40), ("A quiet harbour at dawn.", "A red boat."), ("A net hangs from the mast.",)
)
RIGHT = RegionPrompt(box(left=50, bottom=50), ("A quiet harbour at dawn.", "A lighthouse."))
PROMPTS = (WHOLE, LEFT, RIGHT)


def settings(**changes: object) -> PaintSettings:
    return PaintSettings(**{"size": SIZE, "steps": 3, **changes})


def region(mask: np.ndarray, seed: int, tokens: int = 7, width: int = 40) -> TextRegion:
    """An encoded text that says anything."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.ones(tokens, dtype=torch.bool)
    words[0] = words[-1] = False
    pooled = torch.randn(1, 24, generator=generator)
    return TextRegion(
        torch.as_tensor(mask), torch.randn(1, tokens, width, generator=generator), words, pooled
    )


def prompt_text(*masks: np.ndarray, negative: bool = True) -> PromptText:
    regions = tuple(region(mask, seed) for seed, mask in enumerate(masks, start=1))
    return PromptText(regions, region(box(), 0, tokens=5) if negative else None)


def noise_model(unet: UNet2DConditionModel) -> NoiseModel:
    return NoiseModel(unet, SIZE, torch.float32)


def noise(batch: int = 1, seed: int = 3) -> Tensor:
    """Latents [batch, 4, 16, 24] of a tiny picture."""
    return torch.randn(batch, 4, 16, 24, generator=torch.Generator().manual_seed(seed))


def array(picture: Pictures.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


def scene(size: tuple[int, int] = SIZE) -> Pictures.Image:
    """Some picture of many colours."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    channels = (columns * 5 % 256, rows * 7 % 256, (columns + rows) * 3 % 256)
    return Pictures.fromarray(np.stack(channels, axis=2).astype(np.uint8))


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
