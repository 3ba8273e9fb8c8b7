"""Storybook pictures for training, drawn once and kept on disk."""

from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.storybook.draw import draw, draw_with_map
from gesso.storybook.scene import MAX_THINGS, SIGN_RATE, Scene, with_rare
from gesso.storybook.splits import scene_at
from gesso.train.arrays import open_array

__all__ = ["BACKGROUND", "PictureStore", "thing_grid"]

BACKGROUND: Final = 0
COVERAGE: Final = 0.25  # share of a patch that things must cover for it to count as theirs


class PictureStore:
    """The first `count` training scenes of a stream, with their pictures.

    A picture is drawn when it is first asked for, by whichever process asks; afterwards it is read back.

    Args:
        folder: where the arrays lie.
        seed: start of the stream of scenes.
        count: number of scenes.
        size: side of a picture in pixels.
        patch: side of a patch of the thing grid in pixels.
        things: most things of a scene.
        signs: share of things with a sign.
        rare: share of things of rare kinds.
        offsets: whether things may stand a little beside their locations.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        count: int,
        size: int,
        patch: int,
        things: int = MAX_THINGS,
        signs: float = SIGN_RATE,
        rare: float = 0.0,
        offsets: bool = True,
    ) -> None:
        if size % patch:
            raise TrainingError(f"pictures of {size} px do not divide into patches of {patch} px; "
                                "make data.size a multiple of the tower's patch_size")  # fmt: skip
        if not 1 <= things <= MAX_THINGS:
            raise TrainingError(f"data.things is {things}; a scene holds 1 to {MAX_THINGS}")
        self.seed, self.count, self.size, self.patch = seed, count, size, patch
        self.things, self.signs, self.rare, self.offsets = things, signs, rare, offsets
        grid = size // patch
        # all that a picture depends on: a changed recipe must not read another one's pictures
        signed = "" if signs == SIGN_RATE else f"-{signs}"
        signed += f"-rare{rare}" if rare else ""
        signed += "" if offsets else "-placed"
        folder = folder / f"train-{seed}-{count}-{size}-{patch}-{things}{signed}-{_drawing(size)}"
        folder.mkdir(parents=True, exist_ok=True)
        self._pixels = open_array(folder / "pixels.npy", (count, size, size, 3), np.uint8)
        self._grids = open_array(folder / "grids.npy", (count, grid, grid), np.uint8)
        # one byte a picture, and not a bit: processes that write side by side must not share a byte
        self._drawn = open_array(folder / "drawn.npy", (count,), np.uint8)

    @classmethod
    def of(cls, data: DataSettings, patch: int) -> Self:
        """The pictures that a recipe's data settings describe."""
        return cls(
            Path(data.cache),
            seed=data.seed,
            count=data.count,
            size=data.size,
            patch=patch,
            things=data.things,
            signs=data.signs,
            rare=data.rare,
            offsets=data.offsets,
        )

    def scene(self, index: int) -> Scene:
        """Scene number `index`."""
        sampling = {"counts": range(1, self.things + 1), "sign_rate": self.signs, "offsets": self.offsets}
        return with_rare(scene_at("train", self.seed, index, **sampling), self.rare)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Picture number `index`, [size, size, 3]."""
        self._draw(index)
        picture: NDArray[np.uint8] = self._pixels[index]
        return picture

    def grid(self, index: int) -> NDArray[np.uint8]:
        """Thing grid of picture `index`, [size/patch, size/patch]; see `thing_grid`."""
        self._draw(index)
        grid: NDArray[np.uint8] = self._grids[index]
        return grid

    def _draw(self, index: int) -> None:
        if self._drawn[index]:
            return
        picture, thing_map = draw_with_map(self.scene(index), self.size)
        self._pixels[index] = np.asarray(picture)
        self._grids[index] = thing_grid(thing_map, self.patch)
        self._drawn[index] = 1  # last, so that an interrupted drawing is done again


def thing_grid(thing_map: NDArray[np.uint8], patch: int) -> NDArray[np.uint8]:
    """Which thing each patch shows: 0 for background, else the index of the thing plus one.

    A patch belongs to the thing that covers most of it, if things cover at least a quarter.

    Args:
        thing_map: [S, S], as `storybook.draw.thing_map` gives it.
        patch: side of a patch in pixels.

    Returns:
        [S/patch, S/patch]
    """
    side = thing_map.shape[0] // patch
    # [S, S] -> [gy, py, gx, px] -> [gy, gx, py*px]
    patches = thing_map.reshape(side, patch, side, patch).swapaxes(1, 2).reshape(side, side, -1)
    # [gy, gx, py*px] -> [gy, gx, things]: pixels of each thing in each patch
    counts = np.stack([(patches == number).sum(-1) for number in range(1, int(thing_map.max()) + 2)], -1)
    # all things together: a patch that three of them share is no background
    covered = counts.sum(-1) >= COVERAGE * patch * patch
    return np.where(covered, counts.argmax(-1) + 1, BACKGROUND).astype(np.uint8)


def _drawing(size: int) -> str:
    """What a first scene looks like, in short, so that a change of the drawing starts a new cache."""
    return blake2b(draw(scene_at("train", 0, 0), size).tobytes(), digest_size=4).hexdigest()
