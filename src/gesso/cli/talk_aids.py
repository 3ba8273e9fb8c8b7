"""What `gesso chat` can do around a question: read the pictures' text, and paint what the answer asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gesso.cli.output import note, say
from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Image

if TYPE_CHECKING:
    from gesso.api import Model
    from gesso.engines.illustrate import Illustrator
    from gesso.media.reading import Line, TextReader

__all__ = ["AidOptions", "TalkAids"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AidOptions:
    """What is done around the questions of a chat."""

    draw: Annotated[bool, typer.Option("--draw", help="Ask a Mini-Gemini for pictures, and paint them.")] = (
        False
    )
    painter: Annotated[str, typer.Option(help="Who paints: a name, folder or file.")] = "mini-sdxl"
    pictures: Annotated[Path, typer.Option(help="Folder for painted pictures.")] = Path()
    ocr: Annotated[
        bool, typer.Option("--ocr", help="Tell the model what RapidOCR reads in the pictures.")
    ] = False

    def check(self) -> None:
        """Refuse a folder that is not there, before a model is loaded."""
        if self.draw and not self.pictures.is_dir():
            raise UsageError(f"--pictures {self.pictures} is no folder; make it, or give another")

    def aids(self, model: "Model") -> "TalkAids":
        """What they ask for.

        Raises:
            UnsupportedError: the model was not trained to ask for pictures.
            MissingExtraError: RapidOCR or diffusers is not installed.
        """
        from gesso.media.reading import rapid_reader

        illustrator = _illustrator(model, self.painter) if self.draw else None
        return TalkAids(rapid_reader() if self.ocr else None, illustrator, self.pictures)


class TalkAids:
    """Text that is read, and pictures that are painted.

    Args:
        reader: reads pictures; None leaves them to the model's own eyes.
        illustrator: paints; None leaves answers as they are.
        folder: where pictures go.
    """

    def __init__(
        self,
        reader: "TextReader | None" = None,
        illustrator: "Illustrator | None" = None,
        folder: Path = Path(),
    ) -> None:
        self._reader, self._illustrator, self._folder = reader, illustrator, folder
        self._known: list[tuple[Image, Sequence[Line]]] = []

    def asked(self, question: str, images: Sequence[Image]) -> str:
        """A question as the model gets it: first what was read, then the request to draw.

        Args:
            question: as it was typed.
            images: all pictures of the conversation; the original tells their text in every turn.
        """
        from gesso.models.mgm.drawing import asked_to_draw, with_read_text

        if self._reader is not None:
            lines = [line for image in images for line in self._lines(self._reader, image)]
            question = with_read_text(question, lines)
        return question if self._illustrator is None else asked_to_draw(question)

    def answered(self, answer: str) -> None:
        """Paint what an answer asks for, and say where the picture lies."""
        if self._illustrator is None:
            return
        painting = self._illustrator.draw(answer)
        if painting is None:
            note("the answer asks for no picture")
            return
        paths = (self._folder / f"drawing-{number}.png" for number in count(1))
        say(str(painting.save(next(path for path in paths if not path.exists()))))

    def _lines(self, reader: "TextReader", image: Image) -> "Sequence[Line]":
        from gesso.media.images import load_image

        # the same picture comes back in every turn; by identity, as a source may be an array of pixels
        for known, lines in self._known:
            if known is image:
                return lines
        lines = reader(load_image(image.source))
        self._known.append((image, lines))
        return lines


def _illustrator(model: "Model", painter: str) -> "Illustrator":
    from importlib.util import find_spec

    from gesso.core.errors import MissingExtraError
    from gesso.engines.chat import Chat
    from gesso.models.mgm.model import MgmChat

    if not (isinstance(model.engine, Chat) and isinstance(model.engine.model, MgmChat)):
        raise UnsupportedError(f"{model.name} does not ask for pictures; --draw needs a Mini-Gemini, such as "
                               "mgm-7b, and `gesso paint` paints wishes")  # fmt: skip
    if find_spec("diffusers") is None:
        raise MissingExtraError("diffusers", "paint")
    from gesso.engines.illustrate import Illustrator
    from gesso.engines.paint_build import load_paint_engine

    return Illustrator(load_paint_engine(painter))
