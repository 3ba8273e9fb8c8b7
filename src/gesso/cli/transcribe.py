"""`gesso transcribe`: what is said in recordings, as text or subtitles."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gesso.cli.loading import load_model
from gesso.cli.options import with_settings
from gesso.cli.output import fail, note, say
from gesso.core.errors import GessoError, UsageError
from gesso.engines.options import LoadOptions
from gesso.engines.transcript import FORMATS

if TYPE_CHECKING:
    from gesso.api import Model

__all__ = ["transcribe_command"]

DEFAULT_MODEL: Final = "mini-omni"
TIMED: Final = ("srt", "vtt")
SUFFIXES: Final = {"text": ".txt"}


@with_settings(options=LoadOptions)
def transcribe_command(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recordings: wav, mp3, flac, ogg.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A name, folder or repository.")
    ] = DEFAULT_MODEL,
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "text",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for one file for each recording.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What the model is asked, in other words.")] = None,
    batch: Annotated[int, typer.Option(help="Pieces the model hears at once.")] = 8,
    *,
    options: LoadOptions,
) -> None:
    """Write down what is said; long recordings are cut at pauses. One that cannot be read stops no other."""
    # wrong choices are told before a model is loaded
    if form not in FORMATS:
        raise UsageError(f"--format is {form!r}; allowed: {', '.join(FORMATS)}")
    if batch < 1:
        raise UsageError(f"--batch is {batch}; it must be at least 1")
    if form in TIMED and len(files) > 1 and out is None:
        raise UsageError(f"{len(files)} recordings as {form} on one output; give --out FOLDER")
    _check_names(files, out)
    loaded = load_model(model, options)
    failures = 0
    for file in files:
        try:
            _one(loaded, file, form, out, len(files) > 1, instruction, batch)
        except UsageError:
            raise  # a model without ears has none for the next file either
        except GessoError as error:
            failures += 1
            fail(error)
    if failures:
        note(f"{failures} of {len(files)} recordings could not be transcribed")
        raise typer.Exit(1)


def _one(
    model: "Model", file: str, form: str, out: Path | None, several: bool, instruction: str | None, batch: int
) -> None:
    written = model.transcribe(file, instruction=instruction, batch=batch).written(form)
    if out is not None:
        path = _place(file, out, form)
        path.write_text(written, encoding="utf-8")
        note(f"{file}: {path}")
    else:
        say(_named(file, written, form) if several else written, end="")


def _named(file: str, written: str, form: str) -> str:
    """What tells one of several recordings on one output from the others."""
    if form == "json":
        return json.dumps({"file": file, **json.loads(written)}, ensure_ascii=False) + "\n"
    return f"{file}\t{written}"


def _place(file: str, out: Path, form: str) -> Path:
    return out / (Path(file).stem + SUFFIXES.get(form, f".{form}"))


def _check_names(files: list[str], out: Path | None) -> None:
    if out is None:
        return
    stems = [Path(file).stem for file in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UsageError(f"several recordings are called {', '.join(twice)}; their files would be one")
    out.mkdir(parents=True, exist_ok=True)
