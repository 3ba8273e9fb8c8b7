"""How a picture was painted, written into its PNG, so that it can be painted again or in part."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, Optional, Self

from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from gesso.canvas.canvas import Box, Canvas
from gesso.canvas.styles import style_named
from gesso.config.load import build
from gesso.core.errors import MediaError, UnsupportedError, UsageError
from gesso.diffusion.settings import PaintSettings
from gesso.media.images import load_image

__all__ = ["PaintRecipe", "Painting", "Start", "canvas_in", "open_painting", "pixel_digest", "save_painting"]

FIELD: Final = "gesso"
"""Name of the PNG's text in which the recipe stands."""

FORM: Final = 1
"""Number of the recipe's form; a reader of another form refuses it."""

Start = Literal["noise", "canvas", "picture"]
"""What painting begins from: noise alone, the canvas's colours under noise, or a picture under noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintRecipe:
    """Everything a picture follows from; with it the same machine paints the same pixels again.

    Attributes:
        canvas: what is painted.
        settings: of the whole batch; guidance by name.
        painter: the model's name or path.
        weights: digest of its weights, and of LoRAs added to them.
        loras: paths of LoRAs, each with its strength.
        style: how the canvas is told, a name of `gesso.canvas.styles`.
        start: what painting began from.
        number: which picture of the batch.
        wish: the words that were planned from, if any.
        planner: the planner's name, if there was one.
        pixels: digest of the picture, as `pixel_digest` gives it.
        source: digest of the picture it began from, where `start` is "picture".
        before: the recipe of the picture a part of which was painted anew.
        boxes: which parts of it, in cells of the canvas.
        feather: width of the soft border inside them, in pixels.
        made_with: versions, device and threads; they decide the last bits.
    """

    canvas: Canvas
    settings: PaintSettings
    painter: str
    weights: str
    loras: tuple[tuple[str, float], ...] = ()
    style: str = "sentences"
    start: Start = "noise"
    number: int = 0
    wish: str = ""
    planner: str = ""
    pixels: str = ""
    source: str = ""
    before: Optional["PaintRecipe"] = None
    boxes: tuple[Box, ...] = ()
    feather: int = 0
    made_with: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be written down."""
        if not isinstance(self.settings.guidance, str):
            raise UnsupportedError("guidance is an object, which a recipe cannot hold; give its name, or "
                                   "paint with gesso.diffusion.pipeline.Painter")  # fmt: skip
        style_named(self.style)

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            "form": FORM,
            **values,
            "canvas": self.canvas.to_dict(),
            "settings": asdict(self.settings),
            "before": self.before.to_dict() if self.before else None,
        }

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """The other way round.

        Raises:
            ConfigError: a field is unknown or missing, or a value is not allowed.
            CanvasError: the canvas is not valid.
        """
        if not isinstance(data, dict) or data.get("form") != FORM:
            found = repr(data.get("form")) if isinstance(data, dict) else f"a {type(data).__name__}"
            raise UnsupportedError(f"a recipe of form {found} came; this version of gesso reads form {FORM}")
        return build(cls, {name: value for name, value in data.items() if name != "form"}, where="recipe")


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A picture with the recipe it was painted by."""

    image: Pictures.Image
    recipe: PaintRecipe

    @classmethod
    def of(cls, image: Pictures.Image, recipe: PaintRecipe) -> Self:
        """A picture that has just been painted; its recipe notes the pixels."""
        return cls(image, replace(recipe, pixels=pixel_digest(image)))

    def save(self, path: str | Path) -> Path:
        """Write a PNG that carries its recipe; see `save_painting`."""
        return save_painting(self, Path(path))


def pixel_digest(image: Pictures.Image) -> str:
    """16 hexadecimal digits that change with the size and any pixel."""
    return sha256(repr(image.size).encode() + image.convert("RGB").tobytes()).hexdigest()[:16]


def save_painting(painting: Painting, path: Path) -> Path:
    """Write a PNG that carries its recipe.

    Raises:
        UsageError: the path does not end in .png, the only format that keeps both.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} does not end in .png; only PNG keeps every pixel and the recipe")
    notes = PngInfo()
    notes.add_itxt(FIELD, json.dumps(painting.recipe.to_dict(), ensure_ascii=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    painting.image.save(path, "PNG", pnginfo=notes)
    return path


def open_painting(path: str | Path) -> Painting:
    """Read a picture that gesso painted.

    Raises:
        MediaError: the picture cannot be read.
        UsageError: it carries no recipe, or one that this version does not read.
        CanvasError: the canvas of its recipe is not valid.
    """
    image, place = load_image(Path(path)), Path(path)
    # `load_image` has decoded the file within bounds; what it drops is the text beside the pixels
    with Pictures.open(place) as file:
        notes = getattr(file, "text", {}) if file.format == "PNG" else {}
        written = notes.get(FIELD)
    if written is None:
        raise UsageError(f"{place} carries no recipe, so it was not painted by gesso or was saved by another "
                         "program since; give a wish or a canvas")  # fmt: skip
    try:
        recipe = PaintRecipe.from_dict(json.loads(written))
    except (ValueError, RecursionError) as error:  # the last: nested by the thousand
        raise MediaError(
            f"the recipe in {place} is damaged: {error}; use the picture as gesso saved it"
        ) from error
    if recipe.pixels != pixel_digest(image):
        raise UsageError(f"the pixels of {place} are not those its recipe was written for; another program "
                         "has changed them, so use the picture as gesso saved it")  # fmt: skip
    return Painting(image, recipe)


def canvas_in(path: str | Path) -> Canvas:
    """The canvas of a picture that gesso painted; errors as in `open_painting`."""
    return open_painting(path).recipe.canvas
