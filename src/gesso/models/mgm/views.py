"""The low-resolution views of a high-resolution picture.

Mini-Gemini makes them from the prepared high-resolution tensor, not from the picture: bilinear and without
antialiasing (dvlab-research/MGM at 769820c). So one tensor a picture is all that a model is given.

Letters: B pictures, H side of the high-resolution picture, S of a view, g views along a side, V views.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["cut_grid", "resize", "views_of"]


def views_of(pixels: Tensor, side: int, grid: int, *, whole: bool) -> Tensor:
    """The views of pictures: the grid's row by row, then one of the whole picture if wanted.

    Args:
        pixels: [B, 3, H, H]; float32, as rounding before resizing would show.
        side: S, in pixels.
        grid: g.
        whole: whether a view of the whole picture comes last.

    Returns:
        [B, V, 3, S, S]
    """
    shrunk = resize(pixels, side * grid)  # [B, 3, g*S, g*S]
    views = cut_grid(shrunk, grid)  # [B, g*g, 3, S, S]
    if not whole:
        return views
    # from what is shrunk already, as the original has it
    return torch.cat([views, resize(shrunk, side)[:, None]], dim=1)


def cut_grid(maps: Tensor, grid: int) -> Tensor:
    """Pictures or maps in g x g pieces, row by row: [B, C, g*S, g*S] -> [B, g*g, C, S, S]."""
    count, channels, height, width = maps.shape
    # [B, C, g*S, g*S] -> [B, C, g, S, g, S] -> [B, g, g, C, S, S]
    pieces = maps.view(count, channels, grid, height // grid, grid, width // grid).permute(0, 2, 4, 1, 3, 5)
    return pieces.flatten(1, 2)  # [B, g, g, C, S, S] -> [B, g*g, C, S, S]


def resize(maps: Tensor, side: int) -> Tensor:
    """Bilinear, without antialiasing, computed in float32: [B, C, H, H] -> [B, C, side, side]."""
    if maps.shape[-1] == side:
        return maps
    resized = functional.interpolate(maps.float(), (side, side), mode="bilinear", align_corners=False)
    return resized.to(maps.dtype)
