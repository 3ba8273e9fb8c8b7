"""`gesso storybook`: pictures and data sets of the procedural world."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gesso.cli.output import err, note, say
from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from gesso.storybook.scene import Scene

__all__ = ["app", "make_command", "sheet_command"]

app = typer.Typer(help="Make pictures and data of the storybook world.", no_args_is_help=True)

Split = Annotated[str, typer.Option(help="train, val, test or novel.")]
Count = Annotated[int, typer.Option(min=1, help="How many scenes.")]
Size = Annotated[int, typer.Option(min=16, help="Side of each picture, in pixels.")]
Seed = Annotated[int, typer.Option(help="Which stream of scenes.")]
Languages = Annotated[list[str], typer.Option("--language", help="en or zh; may be given several times.")]


@app.command("make")
def make_command(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    split: Split = "train",
    count: Count = 100,
    size: Size = 128,
    seed: Seed = 0,
    language: Languages = ["en"],  # noqa: B006  # typer copies it
    shards: Annotated[
        bool, typer.Option("--shards", help="Write tar shards (WebDataset) of 1000 scenes.")
    ] = False,
) -> None:
    """Write a data set: LLaVA's JSON with its pictures, or tar shards."""
    from gesso.storybook.write import write_llava, write_shards

    scenes = _watched(split, seed, count)
    if shards:
        paths = write_shards(scenes, out, size=size, seed=seed, languages=language)
        say("\n".join(map(str, paths)))
        return
    write_llava(scenes, out, size=size, seed=seed, languages=language)
    say(str(out / "data.json"))


@app.command("sheet")
def sheet_command(
    out: Annotated[Path, typer.Option(help="Picture to write, such as sheet.png.")],
    split: Split = "test",
    count: Count = 24,
    columns: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 6,
    size: Size = 192,
    seed: Seed = 0,
    captions: Annotated[bool, typer.Option(help="Write each caption below its picture.")] = False,
) -> None:
    """Draw a contact sheet: many scenes on one picture."""
    from gesso.storybook.sheet import contact_sheet
    from gesso.storybook.tell import caption

    scenes = list(_watched(split, seed, count))
    texts = [caption(scene, "en") for scene in scenes] if captions else None
    try:
        contact_sheet(scenes, columns, size, texts).save(out)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot write {out} ({error}); give a .png or .jpg in an existing folder"
        ) from error
    note(f"{count} scenes of {split}, seed {seed}")
    say(str(out))


def _watched(split: str, seed: int, count: int) -> "Iterator[Scene]":
    """The first scenes of a stream, with a progress bar on standard error."""
    from rich.progress import track

    from gesso.storybook.splits import scenes

    stream = islice(scenes(split, seed), count)
    yield from track(stream, "drawing", total=count, console=err, transient=True)
