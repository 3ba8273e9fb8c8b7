"""What a painter is told about storybook scenes, and in which windows of ids it reads that."""

from collections.abc import Sequence
from random import Random
from typing import Final, Literal

from transformers import PreTrainedTokenizerBase

from gesso.canvas.canvas import WHOLE, Condition
from gesso.canvas.parse import read_canvas
from gesso.canvas.prompts import WindowIds, as_sentence, token_windows
from gesso.config.schema import DiffusionSettings
from gesso.core.errors import TrainingError
from gesso.storybook.compose import canvas_program
from gesso.storybook.scene import Scene
from gesso.storybook.subjects import subject_prompt
from gesso.storybook.tell import caption, describe

__all__ = ["NEGATIVES", "Form", "Windows", "conditions", "drawn_conditions"]

Form = Literal["regions", "description", "caption", "placed", "kinds", "nothing"]

NEGATIVES: Final = ("", "lowres, bad anatomy, bad hands, cropped, worst quality")
"""Texts that stand for no text: the empty one, and Omost's default negative prompt, meaningless here."""

STOPS: Final = {"en": ". ", "zh": "。"}


def conditions(scene: Scene, language: str, form: Form, negative: str = "") -> tuple[Condition, ...]:
    """The texts that tell a scene, and their places on the canvas; the first covers it all.

    Args:
        scene: what to paint.
        language: "en" or "zh".
        form: "regions" reads the scene's canvas program as a painter does, with a region for each thing;
            the others give one text. "placed" and "kinds" are what a painter reads beside references: what is
            where, but not how it looks, as one text for scenes of one thing, or by regions.
        negative: the text of "nothing".
    """
    match form:
        case "regions":
            return read_canvas(canvas_program(scene, language)).canvas.conditions
        case "kinds":
            return read_canvas(canvas_program(scene, language, looks=False)).canvas.conditions
        case "description":
            opening, *sentences = _sentences(describe(scene, language), language)
            return (Condition(WHOLE, (opening,), tuple(sentences), None),)
        case "caption":
            return (Condition(WHOLE, (as_sentence(caption(scene, language)),), (), None),)
        case "placed":
            return (Condition(WHOLE, (subject_prompt(scene.things[0], scene.place, language),), (), None),)
        case "nothing":
            return (Condition(WHOLE, (negative,) if negative else (), (), None),)


def drawn_conditions(
    scene: Scene, settings: DiffusionSettings, chinese: float, rng: Random
) -> tuple[Form, tuple[Condition, ...]]:
    """How a scene is told this time, in the shares that a recipe asks for.

    Args:
        scene: what to paint.
        settings: the shares.
        chinese: share of Chinese.
        rng: chooses.
    """
    language = "zh" if rng.random() < chinese else "en"
    form: Form = "regions" if rng.random() < settings.regions else "description"
    if form == "description" and rng.random() < 0.5:
        form = "caption"
    # drawn only where it is asked for, so that recipes without it keep their draws
    if settings.placed and rng.random() < settings.placed:
        form = "kinds" if form == "regions" or len(scene.things) > 1 else "placed"
    if rng.random() < settings.dropout:
        form = "nothing"
    return form, conditions(scene, language, form, rng.choice(NEGATIVES))


def _sentences(text: str, language: str) -> list[str]:
    """Sentences as a painter's prompts have them."""
    return [as_sentence(part) for part in text.split(STOPS[language]) if part]


class Windows:
    """Writes texts as windows of ids, as the painter does.

    Args:
        tokenizer: of both text encoders.
        length: ids of one window, with begin and end.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, length: int) -> None:
        self._tokenizer, self._known = tokenizer, dict[str, tuple[int, ...]]()
        bos, eos, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        self._table = WindowIds(self.ids, bos, eos, pad, length)

    def of(self, condition: Condition) -> list[list[int]]:
        """The windows of one condition, [n][length] ids."""
        (windows,) = token_windows(condition.prefixes, condition.suffixes, [self._table])
        return [list(window) for window in windows]

    def window(self, ids: Sequence[int]) -> list[int]:
        """Begin, as many of the ids as fit, end, and padding."""
        return list(self._table.window(ids))

    def ids(self, text: str) -> tuple[int, ...]:
        """Ids of a text, without begin and end."""
        if text not in self._known:  # the world's sentences come back again and again
            self._known[text] = tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return self._known[text]

    def check(self, positions: int) -> None:
        """Refuse windows that a text encoder of so many positions cannot read."""
        if self._table.length > positions:
            raise TrainingError(
                f"windows of {self._table.length} ids do not fit a text encoder of {positions} positions; "
                "lower diffusion.window"
            )
