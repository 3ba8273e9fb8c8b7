"""Shared by tests of painting: a tiny SDXL as an engine and as a folder, LoRAs for it, a canvas."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures
from safetensors.torch import save_file

from diffusion.tiny_paint import SIZE, painter, sdxl, settings
from engines.planning import canvas
from gesso.canvas.canvas import Box
from gesso.diffusion.save import save_folder
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_record import PaintModelInfo, PaintRecipe

CANVAS = canvas("red fish", "blue boat")
QUICK = settings(steps=2)
LAYER = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0"


def engine(weights: str = "w") -> PaintEngine:
    """A tiny painter; its weights are told to be these."""
    return PaintEngine(painter(), PaintModelInfo(name="tiny", weights=weights), QUICK)


@cache
def painter_folder() -> Path:
    """The tiny painter as a diffusers folder, gone when the tests are."""
    folder = Path(mkdtemp(prefix="gesso-painter-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    save_folder(sdxl(), folder)
    return folder


def lora_file(path: Path, seed: int = 1) -> Path:
    """A LoRA for one layer of the tiny painter."""
    generator = torch.Generator().manual_seed(seed)
    pair = {"A": (2, 8), "B": (8, 2)}
    names = {f"{LAYER}.lora_{role}.weight": shape for role, shape in pair.items()}
    save_file({name: torch.randn(shape, generator=generator) for name, shape in names.items()}, path)
    return path


def recipe(**changes: Any) -> PaintRecipe:
    """A recipe of a picture that nobody painted."""
    return PaintRecipe(**{"canvas": CANVAS, "settings": QUICK, "painter": "tiny", "weights": "w", **changes})


def outside(picture: Pictures.Image, *boxes: Box) -> np.ndarray:
    """The pixels that no box of cells touches, as [N, 3]."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    inside = np.zeros(columns.shape, dtype=bool)
    x, y = SIZE[0] / 90, SIZE[1] / 90
    for top, bottom, left, right in boxes:
        across = (columns + 1 > left * x) & (columns < right * x)
        inside |= across & (rows + 1 > top * y) & (rows < bottom * y)
    return np.asarray(picture)[~inside]
