"""A picture with the recipe it was painted by, and the PNG that carries both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from gesso.canvas.canvas import Canvas
from gesso.core.errors import MediaError, UsageError
from gesso.diffusion.settings import PaintSettings
from gesso.engines.paint_record import SEEDS, PaintRecipe
from gesso.media.images import load_image

__all__ = [
    "PaintRecipe",
    "Painting",
    "canvas_in",
    "has_recipe",
    "open_painting",
    "pixel_digest",
    "save_noted",
    "save_painting",
    "source_of",
]

FIELD: Final = "gesso"
"""Name of the PNG's text in which the recipe stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A picture with the recipe it was painted by."""

    image: Pictures.Image
    recipe: PaintRecipe

    @classmethod
    def of(cls, image: Pictures.Image, recipe: PaintRecipe) -> Self:
        """A picture that has just been painted; its recipe notes the pixels."""
        return cls(image, replace(recipe, pixels=pixel_digest(image)))

    @staticmethod
    def open(path: str | Path) -> "Painting":
        """Read a picture that gesso painted; see `open_painting`."""
        return open_painting(path)

    def save(self, path: str | Path) -> Path:
        """Write a PNG that carries its recipe; see `save_painting`."""
        return save_painting(self, path)

    def part_settings(self, canvas: Canvas | None = None) -> PaintSettings:
        """Settings to paint parts of it anew: its own, at its size.

        Args:
            canvas: what it is to show. Where that stays as it was (None), the seed goes up by one, for the
                same noise would paint the same again.
        """
        own = self.recipe.alone
        changed = canvas is not None and canvas != self.recipe.canvas
        seed = own.seed if changed else (own.seed + 1) % SEEDS
        return replace(own, size=self.image.size, hires=None, seed=seed)


def pixel_digest(image: Pictures.Image) -> str:
    """16 hexadecimal digits that change with the size and any pixel."""
    return sha256(repr(image.size).encode() + image.convert("RGB").tobytes()).hexdigest()[:16]


def source_of(recipe: PaintRecipe, source: Pictures.Image | None) -> Pictures.Image | None:
    """The picture that the first picture of a recipe's history began from.

    Raises:
        UsageError: it did not come, or one that is not wanted.
    """
    first = recipe.history[0]
    if first.start != "picture" and source is not None:
        raise UsageError("a picture to begin from came, but this one began from none; leave it out")
    if first.start == "picture" and (source is None or pixel_digest(source) != first.source):
        raise UsageError("the picture began from another one, which its recipe does not hold; give the "
                         "same picture to begin from")  # fmt: skip
    return source


def save_painting(painting: Painting, path: str | Path) -> Path:
    """Write a PNG that carries its recipe; there is a whole file or none, also if writing is interrupted.

    Raises:
        UsageError: the path does not end in .png, the only format that keeps both.
    """
    place = Path(path).expanduser()
    if place.suffix.lower() != ".png":
        raise UsageError(f"{place} does not end in .png; only PNG keeps every pixel and the recipe")
    return save_noted(painting.image, {FIELD: painting.recipe.to_dict()}, place)


def save_noted(image: Pictures.Image, told: Mapping[str, Any], place: Path) -> Path:
    """Write a PNG with notes as JSON under their names; there is a whole file or none."""
    notes, data = PngInfo(), BytesIO()
    for name, value in told.items():
        # JSON's escapes, not letters: a wish from the command line may hold half a surrogate pair
        notes.add_itxt(name, json.dumps(value))
    image.save(data, "PNG", pnginfo=notes)
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(f".{place.name}.part")
    try:
        unfinished.write_bytes(data.getvalue())
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    return place


def open_painting(path: str | Path) -> Painting:
    """Read a picture that gesso painted.

    Raises:
        MediaError: the picture cannot be read, or its recipe is damaged.
        UsageError: it carries no recipe, one that this version does not read, or was changed since.
        CanvasError: the canvas of its recipe is not valid.
    """
    place = Path(path).expanduser()
    image = load_image(place)
    written = _written(place)
    if written is None:
        raise UsageError(f"{place} carries no recipe, so it was not painted by gesso or was saved by another "
                         "program since; give a wish or a canvas")  # fmt: skip
    recipe = PaintRecipe.from_dict(_parsed(written, place))
    if recipe.pixels != pixel_digest(image):
        raise UsageError(f"the pixels of {place} are not those its recipe was written for; another program "
                         "has changed them, so use the picture as gesso saved it")  # fmt: skip
    return Painting(image, recipe)


def has_recipe(path: str | Path) -> bool:
    """Whether a picture that can be read carries a recipe, be it damaged."""
    place = Path(path).expanduser()
    load_image(place)
    return _written(place) is not None


def canvas_in(path: str | Path) -> Canvas:
    """The canvas of a picture that gesso painted; errors as in `open_painting`."""
    return open_painting(path).recipe.canvas


def _written(place: Path) -> str | None:
    """The recipe in a file that `load_image`, which drops it, has decoded within bounds."""
    with Pictures.open(place) as file:
        found: str | None = getattr(file, "text", {}).get(FIELD) if file.format == "PNG" else None
    return found


def _parsed(written: str, place: Path) -> Any:
    try:
        return json.loads(written, parse_constant=_refuse_number)
    except (ValueError, RecursionError) as error:  # the last: nested by the thousand
        raise MediaError(
            f"the recipe in {place} is damaged: {error}; use the picture as gesso saved it"
        ) from error


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
