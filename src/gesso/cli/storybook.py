"""`gesso storybook`: pictures and data sets of the procedural world."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gesso.cli.options import with_settings
from gesso.cli.output import err, note, say
from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from gesso.storybook.scene import Scene

__all__ = ["app", "make_command", "sheet_command"]

app = typer.Typer(help="Make pictures and data of the storybook world.", no_args_is_help=True)

Split = Annotated[str, typer.Option(help="train, val, test or novel.")]
Count = Annotated[int, typer.Option(min=1, help="How many scenes.")]
# the limits of `storybook.draw`, which would bring numpy in with every `gesso --help`
Size = Annotated[int, typer.Option(min=32, max=2048, help="Side of each picture, in pixels.")]
Seed = Annotated[int, typer.Option(help="Which stream of scenes.")]
Languages = Annotated[list[str], typer.Option("--language", help="en or zh; may be given several times.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """Scenes of a data set: the first of a stream."""

    split: Split = "train"
    count: Count = 100
    seed: Seed = 0
    things: Annotated[int, typer.Option(min=1, max=6, help="Most things of a scene.")] = 6
    signs: Annotated[float | None, typer.Option(min=0, max=1, help="Share of things with a sign [0.15].")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown(_Drawn):
    """Scenes to look at."""

    split: Split = "test"
    count: Count = 24


@app.command("make")
@with_settings(drawn=_Drawn)
def make_command(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    size: Size = 128,
    language: Languages = ["en"],  # noqa: B006  # typer copies it
    shards: Annotated[
        bool, typer.Option("--shards", help="Write tar shards (WebDataset) of 1000 scenes.")
    ] = False,
    *,
    drawn: _Drawn,
) -> None:
    """Write a data set: LLaVA's JSON with its pictures, or tar shards."""
    # here, as it brings numpy and Pillow, which no other command should wait for
    from gesso.storybook.write import write_llava, write_shards

    scenes = _watched(drawn)
    if shards:
        paths = write_shards(scenes, out, size=size, seed=drawn.seed, languages=language)
        say("\n".join(map(str, paths)))
        return
    write_llava(scenes, out, size=size, seed=drawn.seed, languages=language)
    say(str(out / "data.json"))


@app.command("sheet")
@with_settings(shown=_Shown)
def sheet_command(
    out: Annotated[Path, typer.Option(help="Picture to write, such as sheet.png.")],
    columns: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 6,
    size: Size = 192,
    captions: Annotated[bool, typer.Option(help="Write each caption below its picture.")] = False,
    *,
    shown: _Shown,
) -> None:
    """Draw a contact sheet: many scenes on one picture."""
    from gesso.storybook.sheet import contact_sheet
    from gesso.storybook.tell import caption

    scenes = list(_watched(shown))
    texts = [caption(scene, "en") for scene in scenes] if captions else None
    try:
        contact_sheet(scenes, columns, size, texts).save(out)
    # Pillow raises ValueError for an ending it has no format for
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot write {out} ({error}); give a .png or .jpg in an existing folder"
        ) from error
    note(f"{shown.count} scenes of {shown.split}, seed {shown.seed}")
    say(str(out))


def _watched(wanted: _Drawn) -> "Iterator[Scene]":
    """The scenes, with a progress bar on standard error."""
    from gesso.core.progress import progress_bar
    from gesso.storybook.scene import SIGN_RATE
    from gesso.storybook.splits import scenes

    rate = SIGN_RATE if wanted.signs is None else wanted.signs
    endless = scenes(wanted.split, wanted.seed, counts=range(1, wanted.things + 1), sign_rate=rate)
    stream = islice(endless, wanted.count)
    with progress_bar(err, transient=True) as progress:
        yield from progress.track(stream, total=wanted.count, description="drawing")
