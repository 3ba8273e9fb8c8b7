"""Options of `gesso paint` and `gesso repaint`; what is not given follows the model, or the picture."""

import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from gesso.canvas.styles import STYLES, style_named
from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from gesso.engines.options import LoadOptions
    from gesso.engines.paint import PaintEngine
    from gesso.engines.paint_build import PaintLoading
    from gesso.engines.paint_record import PaintRecipe

__all__ = ["DEFAULT_PAINTER", "OutOptions", "PainterOptions", "PictureOptions"]

DEFAULT_PAINTER: Final = "mini-sdxl"

PICTURE, MODEL = "Picture", "Painting model"


def _setting(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False, rich_help_panel=PICTURE)


def _model(text: str) -> Any:
    return typer.Option(help=text, show_default=False, rich_help_panel=MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOptions:
    """What is written while painting, and in the end."""

    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG to write; a batch is numbered.")] = Path(
        "painting.png"
    )
    upscale: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Make it four times as large by this model; see gesso upscale."),
    ] = None
    previews: Annotated[
        int, typer.Option(metavar="K", min=0, help="Save a small preview each K steps; 0 saves none.")
    ] = 0

    def check(self) -> None:
        """Refuse, before long work, a file that cannot be written after it.

        Raises:
            UsageError: it is no PNG, or a folder.
            OSError: there can be no such folder.
        """
        if self.out.suffix.lower() != ".png":
            raise UsageError(f"{self.out} does not end in .png; only PNG keeps every pixel and the recipe")
        if self.out.is_dir():
            raise UsageError(f"{self.out} is a folder; give the name of a file")
        self.out.parent.mkdir(parents=True, exist_ok=True)

    def file(self, number: int, count: int) -> Path:
        """The file of a picture, counted from 0."""
        return self.out if count == 1 else self.out.with_stem(f"{self.out.stem}-{number + 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """The fields of `PaintSettings`, and the style; None leaves one as it is."""

    size: Annotated[str | None, _setting("Width and height in pixels, as 896x1152.")] = None
    steps: Annotated[int | None, _setting("Steps of the sampler.")] = None
    guidance_scale: Annotated[float | None, _setting("How much the prompt counts; 1 or more.")] = None
    seed: Annotated[int | None, _setting("Which noise; picture n of a batch has seed + n.")] = None
    strength: Annotated[
        float | None, _setting("Below 1: begin from the canvas's colours (0.95 to 0.99), or from --from.")
    ] = None
    negative_prompt: Annotated[str | None, _setting("What to keep away from.", "--negative")] = None
    batch: Annotated[int | None, _setting("Pictures painted together.")] = None
    guidance: Annotated[
        str | None,
        _setting("attention-scores (Omost's), attention-decomposition, multidiffusion, gradient or none."),
    ] = None
    sampler: Annotated[str | None, _setting("A scheduler of diffusers, or the default, Omost's.")] = None
    hires: Annotated[float | None, _setting("Paint once more, so many times larger.")] = None

    style: Annotated[str | None, _setting(f"How the canvas is told: {', '.join(STYLES)}.")] = None

    @property
    def given(self) -> dict[str, Any]:
        """Field of `PaintSettings` -> value, of the options that were given.

        Raises:
            UsageError: the size is none.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "style"}
        values["size"] = None if self.size is None else _size(self.size)
        values["hires"] = None if self.hires is None else {"scale": self.hires}
        return {name: value for name, value in values.items() if value is not None}

    def check(self) -> None:
        """Refuse what no model could paint, before anything is planned or loaded.

        Raises:
            UsageError: a value is out of range.
            UnknownNameError: there is no such style, guidance or sampler.
        """
        from gesso.config.load import build  # these import torch, which --help is to do without
        from gesso.diffusion.settings import PaintSettings
        from gesso.engines.paint_checks import check_settings

        style_named(self.style or "sentences")
        check_settings(build(PaintSettings, self.given, where=""), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PainterOptions:
    """Which model paints, and how it is loaded."""

    painter: Annotated[
        str | None,
        _model(f"A name, diffusers folder or .safetensors file; if left out, {DEFAULT_PAINTER}, or the "
               "picture's own."),
    ] = None  # fmt: skip
    lora: Annotated[list[str] | None, _model("LoRA file to add, PATH or PATH:STRENGTH; may be repeated.")] = (
        None
    )
    vae: Annotated[str | None, _model("Folder or repository of another autoencoder.")] = None
    vram: Annotated[
        int | None, _model("Gigabytes of GPU memory to stay within: 4, 6, 8, 12; with MoMA also 14, 18, 22.")
    ] = None
    tokenizer: Annotated[Path | None, _model("For .safetensors files: a folder with CLIP's vocabulary.")] = (
        None
    )

    def load(self, options: "LoadOptions", like: "PaintRecipe | None" = None) -> "PaintEngine":
        """Load the model.

        Args:
            options: device and threads.
            like: of a picture; what was not given is taken from it.
        """
        from gesso.cli.loading import quiet_transformers
        from gesso.cli.output import err
        from gesso.engines.paint_build import load_paint_engine

        name = self.painter or (like.painter if like else DEFAULT_PAINTER)
        with err.status(f"loading {escape(name)}"):
            quiet_transformers()
            return load_paint_engine(name, self.loading(options, like))

    def loading(self, options: "LoadOptions", like: "PaintRecipe | None" = None) -> "PaintLoading":
        """How the model is loaded, whichever it is; arguments as in `load`."""
        from gesso.engines.paint_build import PaintLoading

        loading = PaintLoading(
            device=options.device,
            vram=self.vram,
            lora=tuple(self.lora or ()),
            tokenizer=None if self.tokenizer is None else str(self.tokenizer),
            vae=self.vae,
            threads=options.threads,
        )
        return loading if like is None else _alike(loading, like, same=self.painter is None)


def _alike(loading: "PaintLoading", like: "PaintRecipe", *, same: bool) -> "PaintLoading":
    """The same as for a picture, wherever nothing else was given; its LoRAs for the same model only."""
    import torch

    made = like.made_with
    if loading.device == "auto" and made.device == "cpu":
        loading = replace(loading, device="cpu")  # on a GPU that is here as well, pixels would differ
    # bounded, for a file may say anything
    if loading.threads is None and 1 <= made.threads <= (os.cpu_count() or 1):
        loading = replace(loading, threads=made.threads)
    if loading.vram is None and loading.device != "cpu" and torch.cuda.is_available():
        loading = replace(loading, vram=made.vram)
    if not same:
        return loading
    lora = loading.lora or tuple(f"{path}:{strength!r}" for path, strength in like.loras)
    return replace(loading, lora=lora, tokenizer=loading.tokenizer or like.tokenizer or None)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if found is None:
        raise UsageError(f"size is {text!r}; give width and height in pixels, as 896x1152")
    return int(found[1]), int(found[2])
