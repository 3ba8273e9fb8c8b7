"""Options of `gesso paint` and `gesso repaint`; what is not given follows the model, or the picture."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gesso.canvas.styles import STYLES, style_named
from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from gesso.diffusion.settings import Hires, PaintSettings
    from gesso.engines.options import LoadOptions
    from gesso.engines.paint import PaintEngine

__all__ = ["DEFAULT_PAINTER", "PainterOptions", "PictureOptions"]

DEFAULT_PAINTER = "mini-sdxl"

PICTURE, MODEL = "Picture", "Painting model"


def _setting(text: str) -> Any:
    return typer.Option(help=text, show_default=False, rich_help_panel=PICTURE)


def _model(text: str, **more: Any) -> Any:
    return typer.Option(help=text, show_default=False, rich_help_panel=MODEL, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """The fields of `PaintSettings`; None leaves one as it is."""

    size: Annotated[str | None, _setting("Width and height in pixels, as 896x1152.")] = None
    steps: Annotated[int | None, _setting("Steps of the sampler.")] = None
    guidance_scale: Annotated[float | None, _setting("How much the prompt counts; 1 or more.")] = None
    seed: Annotated[int | None, _setting("Which noise; picture n of a batch has seed + n.")] = None
    strength: Annotated[
        float | None, _setting("Below 1: begin from the canvas's colours (0.95 to 0.99), or from --from.")
    ] = None
    negative: Annotated[str | None, _setting("What to keep away from.")] = None
    batch: Annotated[int | None, _setting("Pictures painted together.")] = None
    guidance: Annotated[
        str | None,
        _setting("attention-scores (Omost's), attention-decomposition, multidiffusion, gradient or none."),
    ] = None
    sampler: Annotated[str | None, _setting("A scheduler of diffusers, or the default, Omost's.")] = None
    hires: Annotated[float | None, _setting("Paint once more, so many times larger.")] = None

    style: Annotated[str | None, _setting(f"How the canvas is told: {', '.join(STYLES)}.")] = None

    def over(self, others: "PaintSettings") -> "PaintSettings":
        """Settings that are others' where no option was given.

        Raises:
            UsageError: a value is out of range.
            UnknownNameError: there is no such style, guidance or sampler.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        style = style_named(values.pop("style") or "sentences")
        if self.negative is None:
            values["negative"] = style.negative
        values = {name: value for name, value in values.items() if value is not None}
        if self.size is not None:
            values["size"] = _size(self.size)
        if self.hires is not None:
            values["hires"] = _hires(self.hires)
        if "negative" in values:
            values["negative_prompt"] = values.pop("negative")
        return replace(others, **values)

    @property
    def given(self) -> bool:
        """Whether any option was given."""
        return any(getattr(self, field.name) is not None for field in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class PainterOptions:
    """Which model paints, and how it is loaded."""

    painter: Annotated[
        str | None, _model(f"A name, diffusers folder or .safetensors file [{DEFAULT_PAINTER}].")
    ] = None
    lora: Annotated[list[str] | None, _model("LoRA file to add, PATH or PATH:STRENGTH; may be repeated.")] = (
        None
    )
    vram: Annotated[int | None, _model("Gigabytes of GPU memory to stay within: 4, 6, 8 or 12.")] = None
    tokenizer: Annotated[Path | None, _model("For .safetensors files: a folder with CLIP's vocabulary.")] = (
        None
    )

    def load(
        self,
        options: "LoadOptions",
        *,
        usual: str = DEFAULT_PAINTER,
        loras: Sequence[tuple[str, float]] = (),
    ) -> "PaintEngine":
        """Load the model.

        Args:
            options: device and threads.
            usual: the model that is taken where none was named.
            loras: those that are added where none were named.
        """
        from gesso.cli.loading import quiet_transformers
        from gesso.cli.output import err
        from gesso.engines.paint_build import PaintLoading, load_paint_engine

        name = self.painter or usual
        lora = self.lora or [f"{path}:{strength}" for path, strength in loras]
        with err.status(f"loading {name}"):
            quiet_transformers()
            return load_paint_engine(
                name,
                PaintLoading(
                    device=options.device,
                    vram=self.vram,
                    lora=tuple(lora),
                    tokenizer=None if self.tokenizer is None else str(self.tokenizer),
                    threads=options.threads,
                ),
            )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if found is None:
        raise UsageError(f"size is {text!r}; give width and height in pixels, as 896x1152")
    return int(found[1]), int(found[2])


def _hires(scale: float) -> "Hires":
    from gesso.diffusion.settings import Hires

    return Hires(scale=scale)
