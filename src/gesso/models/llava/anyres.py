"""AnyRes geometry: which canvas a picture is laid on, its tiles, and how many tokens they become.

Rules of LLaVA 1.6 (haotian-liu/LLaVA at c121f04, `llava/mm_utils.py` and `llava/model/llava_arch.py`). All
sizes are (width, height), in pixels unless said otherwise.
"""

from collections.abc import Sequence
from math import ceil

from gesso.models.llava.settings import LlavaSettings

__all__ = ["Size", "best_canvas", "image_token_count", "placement", "tile_grid", "unpadded"]

Size = tuple[int, int]


def best_canvas(size: Size, canvases: Sequence[Size]) -> Size:
    """The canvas that shows most of a picture's pixels, then the one that wastes least, then the first."""

    def rank(canvas: Size) -> tuple[int, int]:
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        # cut down, where `placement` rounds up: the original does so, and ties between canvases hang on it
        fitted = int(size[0] * scale) * int(size[1] * scale)
        effective = min(fitted, size[0] * size[1])  # enlarging adds nothing to see
        return effective, effective - canvas[0] * canvas[1]

    return max(canvases, key=rank)


def placement(size: Size, canvas: Size) -> tuple[Size, Size]:
    """Size of a picture fitted into a canvas, and the (x, y) where it is pasted."""
    across, down = canvas[0] / size[0], canvas[1] / size[1]
    # rounded up, and held within the canvas: 1 / 3 * 3 may come out above 1
    if across < down:
        fitted = canvas[0], min(ceil(size[1] * across), canvas[1])
    else:
        fitted = min(ceil(size[0] * down), canvas[0]), canvas[1]
    return fitted, ((canvas[0] - fitted[0]) // 2, (canvas[1] - fitted[1]) // 2)


def tile_grid(size: Size, settings: LlavaSettings) -> Size:
    """Columns and rows of tiles of a picture on its best canvas."""
    width, height = best_canvas(size, settings.image_grid_pinpoints)
    return width // settings.image_size, height // settings.image_size


def unpadded(size: Size, grid: Size) -> tuple[slice, slice]:
    """Rows and columns of a feature grid that show the picture rather than the canvas around it.

    Args:
        size: the picture, in pixels.
        grid: (columns, rows) of features on the whole canvas.
    """
    columns, rows = grid
    # wider than the canvas: empty rows above and below, equally many, so a last odd row stays in
    if size[0] / size[1] > columns / rows:
        border = (rows - int(size[1] * (columns / size[0]))) // 2
        return slice(border, rows - border), slice(0, columns)
    border = (columns - int(size[0] * (rows / size[1]))) // 2
    return slice(0, rows), slice(border, columns - border)


def image_token_count(size: Size, tiles: int, settings: LlavaSettings) -> int:
    """Positions that one picture takes in the language model's input.

    Args:
        size: the original picture, in pixels.
        tiles: how many tiles were made of it; 1 is the overview alone.
        settings: of the model.
    """
    side = settings.grid_side
    overview = side * side + (settings.select_feature == "cls_patch")
    if settings.patch_merge_type != "spatial_unpad":
        # "flat" and "spatial" only order the patches differently
        return overview * tiles
    if tiles == 1:
        # an overview alone ends with one newline
        return overview + 1
    columns, rows = tile_grid(size, settings)
    kept_rows, kept_columns = unpadded(size, (columns * side, rows * side))
    # every kept row ends with a newline
    return overview + int(kept_rows.stop - kept_rows.start) * int(kept_columns.stop - kept_columns.start + 1)
