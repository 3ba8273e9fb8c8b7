"""Pictures to slices of whole patches, as bytes; the vision tower brings them to numbers between -1 and 1."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gesso.models.base import ImageTiles
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.megrez.slicing import plan_slices

__all__ = ["CutPicture", "cut_slices"]


@dataclass(frozen=True, slots=True)
class CutPicture:
    """A picture as slices.

    Attributes:
        slices: the overview, then the grid row by row; pixels [1, 3, H, W] in bytes, and its own size.
        columns: slices in a row of the grid; 0 if there is the overview alone.
    """

    slices: tuple[ImageTiles, ...]
    columns: int = 0


def cut_slices(image: Image.Image, settings: MegrezSettings, *, overview_only: bool = False) -> CutPicture:
    """Cut an RGB picture.

    Args:
        image: the picture.
        settings: of the model.
        overview_only: leaves the grid out.
    """
    plan = plan_slices(image.size, settings)
    pictures = [image.resize(plan.overview, Image.Resampling.BICUBIC)]
    columns = 0
    if plan.grid is not None and plan.slice is not None and plan.refined is not None and not overview_only:
        columns = plan.grid[0]
        refined = image.resize(plan.refined, Image.Resampling.BICUBIC)
        pictures += [refined.crop(box) for box in _boxes(plan.refined, plan.slice)]
    return CutPicture(tuple(ImageTiles(_pixels(picture), picture.size) for picture in pictures), columns)


def _boxes(whole: tuple[int, int], cell: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of each cell, row by row; the cells fill the whole exactly."""
    for top in range(0, whole[1], cell[1]):
        for left in range(0, whole[0], cell[0]):
            yield left, top, left + cell[0], top + cell[1]


def _pixels(picture: Image.Image) -> Tensor:
    # [H, W, 3] -> [1, 3, H, W]; a copy, since PIL's memory is not to be written to
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].contiguous()
