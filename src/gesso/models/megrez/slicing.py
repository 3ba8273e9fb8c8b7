"""How a picture is cut: one overview, and for large pictures a grid of slices in finer resolution.

The rule is LLaVA-UHD's (arXiv 2403.11703, section 3.1) in the form of MiniCPM-V 2.6 (arXiv 2408.01800,
section 3.2). Sizes are (width, height) in pixels, grids (columns, rows).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log, sqrt

from gesso.models.megrez.settings import MegrezSettings

__all__ = ["SlicePlan", "patch_grid", "plan_slices"]

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """How one picture is cut.

    Attributes:
        overview: size of the whole picture as it is shown first.
        grid: columns and rows of slices; None if there is the overview alone.
        slice: size of each slice; None without a grid.
    """

    overview: Size
    grid: Size | None = None
    slice: Size | None = None

    @property
    def refined(self) -> Size | None:
        """Size of the whole picture before it is cut; None without a grid."""
        if self.grid is None or self.slice is None:
            return None
        return self.grid[0] * self.slice[0], self.grid[1] * self.slice[1]

    @property
    def count(self) -> int:
        """How many slices there are, with the overview."""
        return 1 if self.grid is None else 1 + self.grid[0] * self.grid[1]


def plan_slices(size: Size, settings: MegrezSettings) -> SlicePlan:
    """How a picture of this size is cut."""
    width, height = size
    overview = _scaled(width, height, settings)
    limit = settings.max_slice_nums
    ideal = min(ceil(width * height / settings.scale_resolution**2), limit)
    if ideal <= 1 or not settings.slice_mode:
        return SlicePlan(overview)
    # as near as possible to the picture's own shape; min keeps the first of several that are equally near
    columns, rows = grid = min(
        _grids(ideal, limit), key=lambda grid: abs(log(width / height) - log(grid[0] / grid[1]))
    )
    # the picture's sides are first brought to multiples of the grid, so that all slices are of one size
    cell = (max(round(width / columns), 1), max(round(height / rows), 1))
    return SlicePlan(overview, grid, _scaled(*cell, settings))


def patch_grid(size: Size, settings: MegrezSettings) -> Size:
    """(rows, columns) of patches in a slice of this size."""
    return size[1] // settings.patch_size, size[0] // settings.patch_size


def _grids(ideal: int, limit: int) -> Iterator[Size]:
    """Every grid of one slice less than ideal, of the ideal number, and of one more; none of a single one."""
    for count in (ideal - 1, ideal, ideal + 1):
        if 1 < count <= limit:
            yield from (
                (columns, count // columns) for columns in range(1, count + 1) if count % columns == 0
            )


def _scaled(width: int, height: int, settings: MegrezSettings) -> Size:
    """The size of the same shape with about scale_resolution^2 pixels, in whole patches.

    Small pictures are enlarged. The width follows from the height after that is cut to a whole number, as in
    the original; a few sizes depend on it.
    """
    ratio = width / height
    tall = int(settings.scale_resolution / sqrt(ratio))
    return _in_patches(int(tall * ratio), settings), _in_patches(tall, settings)


def _in_patches(length: int, settings: MegrezSettings) -> int:
    patch = settings.patch_size
    # Python's rounding: from the middle to the even number
    return max(round(length / patch) * patch, patch)
