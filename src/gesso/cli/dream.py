"""`gesso dream`: DeepFloyd IF, which paints one text in pixels and writes words better than most."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gesso.cli.options import with_settings
from gesso.cli.output import err, say
from gesso.cli.paint_options import OutOptions
from gesso.cli.upscale import step_bar
from gesso.core.errors import UsageError
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.diffusion.cascade_settings import CascadeSettings

__all__ = ["dream_command"]

NOTES: Final = "gesso-dream"
"""Name of the PNG's text that tells how the picture was painted."""

FIRST, SECOND, NONE = "DeepFloyd/IF-I-XL-v1.0", "DeepFloyd/IF-II-L-v1.0", "none"

CANVASES: Final = (".py", ".json", ".png")


def _setting(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False, rich_help_panel="Picture")


def _stage(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel="Stages")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The fields of `CascadeSettings` but the prompt; None leaves one as it is."""

    negative_prompt: Annotated[str | None, _setting("What to keep away from.", "--negative")] = None
    steps: Annotated[int | None, _setting("Steps at 64 pixels [100].")] = None
    guidance_scale: Annotated[float | None, _setting("How much the prompt counts there [7].")] = None
    second_steps: Annotated[int | None, _setting("Steps at 256 pixels [50].")] = None
    second_guidance_scale: Annotated[float | None, _setting("How much the prompt counts there [4].")] = None
    third_steps: Annotated[int | None, _setting("Steps at 1024 pixels [75].")] = None
    third_guidance_scale: Annotated[float | None, _setting("How much the prompt counts there [9].")] = None
    strength: Annotated[
        float | None, _setting("Of --from: how much is painted over [0.7; within a mask 1].")
    ] = None
    seed: Annotated[int | None, _setting("Which noise [0].")] = None

    def settings(self, prompt: str, *, given: bool, masked: bool) -> "CascadeSettings":
        """The settings.

        Raises:
            UsageError: a value is out of range, or a strength came without a picture.
        """
        from gesso.diffusion.cascade_settings import CascadeSettings

        values = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.strength is not None and not given:
            raise UsageError("--strength came without --from; add a picture, or leave it out")
        if masked and self.strength is None:
            values["strength"] = 1.0
        chosen = {name: value for name, value in values.items() if value is not None}
        return CascadeSettings(prompt=prompt, **chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stages:
    """Which models paint, each a diffusers folder or repository."""

    first: Annotated[str, _stage("64 pixels, with T5.")] = FIRST
    second: Annotated[str, _stage("256 pixels; none leaves it out.")] = SECOND
    third: Annotated[str, _stage("1024 pixels: Stable Diffusion's x4 upscaler; none leaves it out.")] = NONE
    vram: Annotated[
        int | None, _stage("Gigabytes of GPU memory to stay within: 4, 6, 8 or 12; parts come in turn.")
    ] = None
    device: Annotated[str, _stage("auto, cpu, cuda, cuda:N or mps.")] = "auto"


@with_settings(wanted=_Wanted, stages=_Stages)
def dream_command(
    prompt: Annotated[str, typer.Argument(help="The picture in words; one text for the whole picture.")],
    begin: Annotated[
        Path | None, typer.Option("--from", metavar="PICTURE", help="Tell this picture anew, in its shape.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="White where --from is painted; the rest stays.")
    ] = None,
    enlarge: Annotated[bool, typer.Option("--enlarge", help="Only make --from larger, as told.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG to write.")] = Path("dream.png"),
    *,
    wanted: _Wanted,
    stages: _Stages,
) -> None:
    """Paint a text with DeepFloyd IF: anew, in the manner of a picture, or in a part of one.

    It knows neither canvases nor subjects nor LoRAs; those are for gesso paint and gesso personalize.
    """
    OutOptions(out=out).check()
    if Path(prompt).suffix.lower() in CANVASES and len(prompt) < 256 and Path(prompt).is_file():
        raise UsageError(f"{prompt} is a file; DeepFloyd IF paints one text and knows no canvases, which are "
                         "for gesso paint")  # fmt: skip
    if enlarge and begin is None:
        raise UsageError("--enlarge came without --from; add a picture, or leave it out")
    if mask is not None and begin is None:
        raise UsageError("--mask came without --from; add a picture, or leave it out")
    if enlarge and wanted.strength is not None:
        raise UsageError("--strength came with --enlarge, which paints nothing over; leave it out")
    settings = wanted.settings(prompt, given=begin is not None, masked=mask is not None)
    from gesso.cli.loading import quiet_transformers
    from gesso.engines.dream import load_dreamer
    from gesso.engines.paint_recipe import save_noted
    from gesso.media.images import load_image

    picture = None if begin is None else load_image(begin)
    where = None if mask is None else load_image(mask)
    second, third = (None if name == NONE else name for name in (stages.second, stages.third))
    with err.status("loading DeepFloyd IF"):
        quiet_transformers()
        dreamer = load_dreamer(
            stages.first, second, third, options=LoadOptions(device=stages.device), vram=stages.vram
        )
    with step_bar("painting") as step:
        made, note = dreamer.paint(settings, picture, where, enlarge=enlarge, step=step)
    say(str(save_noted(made, {NOTES: asdict(note)}, out)))
