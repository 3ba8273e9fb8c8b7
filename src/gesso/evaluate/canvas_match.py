"""Scores of canvases: how well a plan fits its scene, and whether an edit changed only what was asked."""

from collections.abc import Mapping
from typing import NamedTuple

from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.core.errors import CanvasError
from gesso.storybook.compose import Edit, canvas_program
from gesso.storybook.match import match_edit, match_plan
from gesso.storybook.scene import Scene

__all__ = ["CanvasScore", "canvas_in", "score_edit", "score_plan"]


class CanvasScore(NamedTuple):
    """The score of one reply, and the figures behind it."""

    score: float
    figures: Mapping[str, float]


def canvas_in(reply: str) -> Canvas | None:
    """The canvas of a reply, None if there is none that can be read."""
    try:
        return read_canvas(reply).canvas
    except CanvasError:
        return None


def score_plan(reply: str, scene: Scene) -> CanvasScore:
    """Score a plan: the share of things at the right place, of the right kind and colour.

    Figures: "parse" of all plans; of those that parse, the share of things whose place, kind, colour, pattern
    or size is right, whether the background is, and whether nothing was added.
    """
    canvas = canvas_in(reply)
    if canvas is None:
        return CanvasScore(0.0, {"plan: parse": 0.0})
    match = match_plan(canvas, scene)
    figures = {f"plan: {name}": value for name, value in match.figures().items()}
    return CanvasScore(match.score, {"plan: parse": 1.0, **figures})


def score_edit(reply: str, scene: Scene, change: Edit, language: str) -> CanvasScore:
    """Score an edit: 1 if what was asked changed and nothing else, else 0.

    Figures: "parse" of all edits; of those that parse, whether what was asked was done, and the share of the
    other parts that were kept as they were.

    Args:
        reply: the answer.
        scene: what the canvas showed before; the program of `canvas_program` was part of the prompt.
        change: what was asked, and what the canvas should show now.
        language: of the program and the instruction.
    """
    canvas = canvas_in(reply)
    if canvas is None:
        return CanvasScore(0.0, {"edit: parse": 0.0})
    before, after = (read_canvas(canvas_program(s, language)).canvas for s in (scene, change.scene))
    match = match_edit(canvas, before, after, change.kind)
    figures = {"edit: parse": 1.0, "edit: done": float(match.asked), "edit: kept": match.kept}
    return CanvasScore(float(match.exact), figures)
