"""Shared by tests of subjects: a tiny MoMA as a folder, its painter, references."""

import json
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from PIL import Image as Pictures
from PIL import ImageDraw
from safetensors.torch import load_file, save_file

from diffusion.tiny_paint import sd15
from gesso.diffusion.save import save_folder
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.models.moma.adapter_file import AdapterFile, write_adapter
from gesso.models.moma.modules import PictureProjection, SubjectMapping
from parity.moma_reader import write_llava

MLLM = Path(__file__).parents[1] / "fixtures" / "moma" / "mllm"


def moma_folder(place: Path) -> Path:
    """A MoMA with all it needs below a folder, as gesso's training writes it."""
    folder = place / "moma"
    folder.mkdir(parents=True)
    write_llava(MLLM, folder)
    painter = sd15()
    save_folder(painter, place / "painter")
    torch.manual_seed(3)
    adapter = SubjectAdapter(painter.unet)
    for parameter in adapter.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    mapping = SubjectMapping(48, 16)
    mapping.load_state_dict(
        {
            key.removeprefix("llm_mapping/mapping."): tensor
            for key, tensor in load_file(MLLM / "weights.safetensors").items()
            if key.startswith("llm_mapping/")
        }
    )
    file = AdapterFile(mapping, PictureProjection(16, 16), adapter.tensors())
    write_adapter(folder / "attn_adapters_projectors.safetensors", file)
    (folder / "moma.json").write_text(json.dumps({"painter": "painter"}))
    return folder


def ip_adapter_file(place: Path, painter: Path | None = None) -> Path:
    """An IP-Adapter in the published layout, with its picture encoder beside it.

    Args:
        place: its folder.
        painter: a folder whose UNet it goes with; None takes that of `moma_folder`.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(4)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 16, "num_attention_heads": 2}
    config = CLIPVisionConfig(**sizes, num_hidden_layers=1, image_size=28, patch_size=14)
    CLIPVisionModelWithProjection(config).save_pretrained(place / "image_encoder")
    unet = sd15().unet if painter is None else UNet2DConditionModel.from_pretrained(painter / "unet")
    width = unet.config.cross_attention_dim
    adapter = SubjectAdapter(unet, references=False)
    tensors = {f"ip_adapter.{key}": tensor for key, tensor in adapter.tensors().items()}
    projection = PictureProjection(16, width).state_dict()
    tensors |= {f"image_proj.{key}": tensor for key, tensor in projection.items()}
    save_file(tensors, place / "ip-adapter_tiny.safetensors")
    return place / "ip-adapter_tiny.safetensors"


def reference(size: tuple[int, int] = (60, 40), mode: str = "RGB") -> Pictures.Image:
    """A red disc on grey; with an alpha channel, on nothing."""
    picture = Pictures.new("RGBA", size, (128, 128, 128, 0 if mode == "RGBA" else 255))
    ImageDraw.Draw(picture).ellipse(_disc(size), fill=(220, 30, 30, 255))
    return picture.convert(mode)


def disc_mask(size: tuple[int, int] = (60, 40)) -> Pictures.Image:
    """White where the disc is."""
    mask = Pictures.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(_disc(size), fill=255)
    return mask


def _disc(size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    return width * 0.3, height * 0.2, width * 0.7, height * 0.8
