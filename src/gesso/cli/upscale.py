"""`gesso upscale`: any picture four times as large, and the same as a step behind every painter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer
from rich.markup import escape

from gesso.cli.options import with_settings
from gesso.cli.output import err, say
from gesso.cli.paint_options import OutOptions, PainterOptions
from gesso.core.progress import progress_bar
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.diffusion.upscale_settings import UpscaleSettings
    from gesso.engines.paint_recipe import Painting, PaintRecipe
    from gesso.engines.upscale import UpscaleEngine

__all__ = ["Enlarge", "step_bar", "upscale_command", "upscaler_for"]

Enlarge: TypeAlias = "Callable[[Painting], Painting]"

DEFAULT: Final = "stabilityai/stable-diffusion-x4-upscaler"

NOTES: Final = "gesso-upscale"
"""Name of the PNG's text that tells how a picture was made larger which gesso did not paint."""


def _setting(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False, rich_help_panel="Picture")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The fields of `UpscaleSettings`; None leaves one as it is."""

    prompt: Annotated[str | None, _setting("What it shows [of gesso's pictures, as painted].")] = None
    negative_prompt: Annotated[str | None, _setting("What to keep away from.", "--negative")] = None
    steps: Annotated[int | None, _setting("Steps of the sampler [75].")] = None
    guidance_scale: Annotated[float | None, _setting("How much the prompt counts [9].")] = None
    noise_level: Annotated[int | None, _setting("0 to 350; more lets the model invent more [20].")] = None
    seed: Annotated[int | None, _setting("Which noise [0, or that of the painting].")] = None
    tile: Annotated[int | None, _setting("Longest side of a piece worked on, in pixels [512].")] = None

    def settings(self, recipe: "PaintRecipe | None" = None) -> "UpscaleSettings":
        """The settings; what was not given follows from a painting's recipe."""
        from gesso.diffusion.upscale_settings import UpscaleSettings
        from gesso.engines.upscale import settings_of

        given = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(UpscaleSettings() if recipe is None else settings_of(recipe), **given)


@with_settings(wanted=_Wanted)
def upscale_command(
    source: Annotated[Path, typer.Argument(metavar="PICTURE", help="A picture, painted by gesso or not.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG to write.")] = Path("upscaled.png"),
    model: Annotated[str, typer.Option(help="A diffusers folder or repository.")] = DEFAULT,
    vram: Annotated[
        int | None, typer.Option(help="Gigabytes of GPU memory to stay within: 4, 6, 8 or 12.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    *,
    wanted: _Wanted,
) -> None:
    """Make a picture four times as large; the recipe of a picture of gesso's stays in the PNG."""
    from gesso.engines.paint_recipe import has_recipe, open_painting, save_noted
    from gesso.media.images import load_image

    OutOptions(out=out).check()
    painting = open_painting(source) if has_recipe(source) else None
    settings = wanted.settings(None if painting is None else painting.recipe)
    engine = _load(model, LoadOptions(device=device), vram)
    with step_bar("upscaling") as step:
        if painting is not None:
            file = engine.painting(painting, settings, step=step).save(out)
        else:
            larger, told = engine.picture(load_image(source), settings, step=step)
            file = save_noted(larger, {NOTES: asdict(told)}, out)
    say(str(file))


def upscaler_for(to: OutOptions, model: PainterOptions, options: LoadOptions) -> Enlarge:
    """What makes paintings larger before they are saved; where none is wanted, nothing changes.

    A missing model is told at once, but it is loaded when the first picture is there.
    """
    if to.upscale is None:
        return lambda painting: painting
    # torch comes with it, which the help of commands does without
    from gesso.engines.folders import folder_of

    name = to.upscale
    folder_of(name)
    engines: list[UpscaleEngine] = []

    def enlarge(painting: "Painting") -> "Painting":
        if not engines:
            engines.append(_load(name, options, model.vram))
        with step_bar("upscaling") as step:
            return engines[0].painting(painting, step=step)

    return enlarge


def _load(name: str, options: LoadOptions, vram: int | None) -> "UpscaleEngine":
    from gesso.cli.loading import quiet_transformers
    from gesso.engines.upscale import load_upscaler

    with err.status(f"loading {escape(name)}"):
        quiet_transformers()
        return load_upscaler(name, options, vram=vram)


@contextmanager
def step_bar(doing: str) -> "Iterator[Callable[[int, int], bool]]":
    """A bar on standard error, and what is to be called after each step."""
    with progress_bar(err, transient=True) as bar:
        task = bar.add_task(doing, total=None)

        def step(done: int, steps: int) -> bool:
            bar.update(task, completed=done, total=steps)
            return False

        yield step
