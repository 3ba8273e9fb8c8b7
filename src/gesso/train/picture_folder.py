"""Folders of users' own pictures, and of pictures that a painter painted to fill one."""

from pathlib import Path
from typing import Final

from PIL import Image as Pictures
from PIL import ImageOps

from gesso.core.errors import ConfigError
from gesso.diffusion.conditions import RegionPrompt
from gesso.engines.paint import PaintEngine
from gesso.media.images import load_image

__all__ = ["PictureFolder", "count_pictures", "paint_missing"]

ENDINGS: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

WHOLE: Final = ((1.0,),)
"""The mask of a text that holds everywhere."""

TOGETHER: Final = 4


class PictureFolder:
    """The pictures of a folder, in the order of their names.

    Args:
        folder: where they lie; folders inside it are not read.
        size: their middle is cut out as a square, which gets this side.

    Raises:
        ConfigError: there is no such folder, or no picture in it.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._size = size
        self._files = _pictures(folder) if folder.is_dir() else []
        if not self._files:
            raise ConfigError(f"{folder} holds no pictures ({', '.join(ENDINGS)}); give a folder with some")

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, index: int) -> Pictures.Image:
        """One of them.

        Raises:
            MediaError: it cannot be read.
        """
        image = load_image(self._files[index])
        return ImageOps.fit(image, (self._size, self._size), Pictures.Resampling.LANCZOS)


def count_pictures(folder: Path) -> int:
    """How many pictures a folder holds; 0 where there is none."""
    return len(_pictures(folder)) if folder.is_dir() else 0


def paint_missing(
    engine: PaintEngine, folder: Path, prompt: str, count: int, *, size: int, steps: int
) -> None:
    """Paint a text until a folder has so many pictures; those that are there stay.

    Args:
        engine: what paints.
        folder: made if it is not there.
        prompt: what is painted, each time under another seed.
        count: how many pictures there are to be.
        size: side of the pictures, in pixels.
        steps: of the sampler.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = count_pictures(folder)
    while there < count:
        batch = min(TOGETHER, count - there)
        wanted = {"size": (size, size), "steps": steps, "seed": there, "batch": batch, "guidance": "none"}
        painted = engine.painter.paint([RegionPrompt(WHOLE, (prompt,))], engine.settings(wanted))
        for number, picture in enumerate(painted, start=there):
            picture.save(folder / f"prior-{number:04d}.png")
        there += batch


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
