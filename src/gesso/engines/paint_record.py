"""What is written down about a painted picture: everything it follows from, as a value and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from typing import Any, Final, Literal, Optional, Self

import torch

from gesso.canvas.canvas import Box, Canvas
from gesso.canvas.checks import shown
from gesso.canvas.styles import style_named
from gesso.config.load import build
from gesso.core.errors import UnsupportedError
from gesso.diffusion.settings import PaintSettings
from gesso.diffusion.upscale_settings import UpscaleSettings
from gesso.engines.paint_checks import check_parts, check_settings, check_subjects
from gesso.media.cutout import Cutout
from gesso.media.subjects import Fit

__all__ = [
    "MAX_LAYERS",
    "SEEDS",
    "MadeWith",
    "PaintModelInfo",
    "PaintRecipe",
    "Start",
    "SubjectNote",
    "UpscaleNote",
    "made_here",
    "model_told",
]

FORM: Final = 1
"""Number of the recipe's form; a reader of another form refuses it."""

MAX_LAYERS: Final = 64
"""Recipes inside one another: a picture, and parts of it painted anew so many times less one."""

SEEDS: Final = 2**63
"""How many seeds there are."""

Start = Literal["noise", "canvas", "picture"]
"""What painting begins from: noise alone, the canvas's colours under noise, or a picture under noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintModelInfo:
    """What a recipe notes about a model.

    Attributes:
        name: what it was loaded as.
        weights: digest of its weights, and of LoRAs with their strengths.
        loras: paths of LoRAs with their strengths.
        tokenizer: path of the vocabulary it was given, or "".
        vram: gigabytes of GPU memory it keeps within, if any.
    """

    name: str
    weights: str
    loras: tuple[tuple[str, float], ...] = ()
    tokenizer: str = ""
    vram: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWith:
    """What decides the last bits of a picture: versions of packages, and where it was computed.

    Attributes:
        gesso: a version, like the next three.
        torch: the same.
        diffusers: the same.
        transformers: the same.
        device: such as "cpu" or "cuda".
        threads: of torch on the CPU; 0 if not known.
        vram: gigabytes of GPU memory that were kept within, if any.
    """

    gesso: str = ""
    torch: str = ""
    diffusers: str = ""
    transformers: str = ""
    device: str = ""
    threads: int = 0
    vram: int | None = None

    def differences(self, other: "MadeWith") -> list[str]:
        """Names of what is not the same."""
        return [each.name for each in fields(self) if getattr(self, each.name) != getattr(other, each.name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectNote:
    """A subject that is in a picture; the reference itself is not kept.

    Attributes:
        noun: what it is.
        prompt: what was said of the new picture of it.
        region: number of the canvas's region it stands in, from 1; 0 is the whole picture.
        strength: how much the reference's features counted.
        reference: digest of the reference, at the size it was looked at.
        mask: digest of its mask, the same.
        seed: of the noise it was looked at under.
        adapter: name or path of the adapter.
        weights: digest of the adapter's weights.
        file: name of the reference's file, without a folder; "" if it was a picture in memory.
        mask_file: name of its mask's file, if it was given one.
        cutout: how the subject was found where neither mask nor transparency told it.
        fit: what became of its shape.
        threshold: grey levels of the mask above this were subject.
    """

    noun: str
    prompt: str
    region: int = 0
    strength: float = 1.0
    reference: str = ""
    mask: str = ""
    seed: int = 0
    adapter: str = ""
    weights: str = ""
    file: str = ""
    mask_file: str = ""
    cutout: Cutout = "contrast"
    fit: Fit = "keep"
    threshold: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleNote(UpscaleSettings):
    """How a picture was made larger.

    Attributes:
        model: name or path of the upscaler.
        weights: digest of its weights.
        source: digest of the picture before, as `pixel_digest` gives it.
        made_with: versions, device and threads.
    """

    model: str
    weights: str
    source: str
    made_with: MadeWith = field(default_factory=MadeWith)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintRecipe:
    """Everything a picture follows from; with it the same machine paints the same pixels again.

    Attributes:
        canvas: what is painted.
        settings: of the whole batch; guidance by name.
        painter: the model's name or path.
        weights: digest of its weights, and of LoRAs added to them with their strengths.
        loras: paths of LoRAs, each with its strength.
        tokenizer: path of the vocabulary that a single file was given, if any.
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
        subjects: who is in the picture, by references.
        upscaled: how it was made larger after it was painted, step by step; `pixels` are those it has now.
        made_with: versions, device and threads.

    Raises:
        UnsupportedError: the guidance is an object, or there are too many pictures before this one.
        UsageError: values do not fit each other.
    """

    canvas: Canvas
    settings: PaintSettings
    painter: str
    weights: str
    loras: tuple[tuple[str, float], ...] = ()
    tokenizer: str = ""
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
    subjects: tuple[SubjectNote, ...] = ()
    upscaled: tuple[UpscaleNote, ...] = ()
    made_with: MadeWith = field(default_factory=MadeWith)

    def __post_init__(self) -> None:
        """Refuse what cannot be written down, or not be painted."""
        style_named(self.style)
        check_settings(self.settings, self.number)
        below = None if self.before is None else self.before.size
        check_parts(self.settings, below, self.boxes, self.feather)
        subjects = [(each.region, each.strength, each.seed) for each in self.subjects]
        check_subjects(subjects, len(self.canvas.regions))
        if len(self.history) > MAX_LAYERS:
            raise _too_deep()

    @property
    def history(self) -> tuple["PaintRecipe", ...]:
        """The recipes of the pictures that this one was painted over, the oldest first, and this one."""
        chain = [self]
        while chain[-1].before is not None:
            chain.append(chain[-1].before)
        return tuple(reversed(chain))

    @property
    def painted(self) -> "PaintRecipe":
        """The recipe of the picture as it was painted, before it was made larger."""
        return replace(self, upscaled=(), pixels=self.upscaled[0].source) if self.upscaled else self

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture as it was painted."""
        settings = self.settings
        return settings.size if settings.hires is None else settings.hires.size(settings.size)

    @property
    def alone(self) -> PaintSettings:
        """Settings for this one picture of the batch."""
        return replace(self.settings, batch=1, seed=(self.settings.seed + self.number) % SEEDS)

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            "form": FORM,
            **values,
            "canvas": self.canvas.to_dict(),
            "settings": asdict(self.settings),
            "before": self.before.to_dict() if self.before else None,
            "subjects": [asdict(each) for each in self.subjects],
            "upscaled": [asdict(each) for each in self.upscaled],
            "made_with": asdict(self.made_with),
        }

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """The other way round.

        Raises:
            UnsupportedError: it is of another form, or nested too deeply.
            ConfigError: a field is unknown or missing, or of the wrong type.
            CanvasError: the canvas is not valid.
            UsageError: a value is out of range.
        """
        if not isinstance(data, dict) or data.get("form") != FORM:
            form = data.get("form") if isinstance(data, dict) else data
            raise UnsupportedError(
                f"a recipe of form {shown(form)} came; this version of gesso reads form {FORM}"
            )
        # counted before reading, which would not come back from the depth of thousands
        layers, inner = 1, data.get("before")
        while isinstance(inner, dict):
            layers, inner = layers + 1, inner.get("before")
            if layers > MAX_LAYERS:
                raise _too_deep()
        return build(cls, {name: value for name, value in data.items() if name != "form"}, where="recipe")


def made_here(device: str, vram: int | None) -> MadeWith:
    """What decides the last bits now, in this process, for a model on this device."""
    versions = {name: version(name) for name in ("gesso", "torch", "diffusers", "transformers")}
    return MadeWith(**versions, device=device, threads=torch.get_num_threads(), vram=vram)


def model_told(name: str, loras: Sequence[tuple[str, float]], weights: str) -> str:
    """A model with its LoRAs, in words for messages; the names may come from files."""
    added = "".join(f" + {shown(path)} at {strength:g}" for path, strength in loras)
    return f"{shown(name)}{added} (weights {shown(weights)})"


def _too_deep() -> UnsupportedError:
    return UnsupportedError(
        f"parts of the picture were painted anew {MAX_LAYERS} times or more, and a recipe holds "
        f"{MAX_LAYERS - 1}; begin a new picture from it, with --from and a --strength below 1"
    )
