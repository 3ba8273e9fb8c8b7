"""Pictures that a chat model asks for in its answers, painted by a painter of this package."""

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import GlobalDescription
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_recipe import Painting
from gesso.models.mgm.drawing import NEGATIVE_PROMPT, drawing_prompt

__all__ = ["Illustrator"]


class Illustrator:
    """Paints what Mini-Gemini writes between its markers (see `gesso.models.mgm.drawing`).

    The prompt is the one description of an empty canvas, so the picture carries a recipe like any other.

    Args:
        painter: of SDXL's or SD 1.5's shape; its own steps and size hold.
    """

    def __init__(self, painter: PaintEngine) -> None:
        self._painter = painter

    def draw(self, answer: str) -> Painting | None:
        """The picture that an answer asks for; None if it asks for none.

        Raises:
            CanvasError: the prompt is too long.
            UsageError: the machine's memory does not hold it.
        """
        prompt = drawing_prompt(answer)
        if prompt is None:
            return None
        canvas = Canvas(GlobalDescription(prompt.strip(), (), "", "white"))
        # one text for all of the picture: there are no regions to guide
        settings = self._painter.settings({"negative_prompt": NEGATIVE_PROMPT, "guidance": "none"})
        return self._painter.paint(canvas, settings)[0]
