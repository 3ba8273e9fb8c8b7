"""What a painter is told about storybook scenes, and in which windows of ids it reads that."""

from collections.abc import Sequence
from typing import Final, Literal

from transformers import PreTrainedTokenizerBase

from gesso.canvas.canvas import WHOLE, Condition
from gesso.canvas.parse import read_canvas
from gesso.canvas.prompts import WindowIds, as_sentence, token_windows
from gesso.core.errors import TrainingError
from gesso.storybook.compose import canvas_program
from gesso.storybook.scene import Scene
from gesso.storybook.subjects import subject_prompt
from gesso.storybook.tell import caption, describe
from gesso.storybook.words import words_of

__all__ = ["NEGATIVES", "Form", "Windows", "conditions"]

Form = Literal["regions", "description", "caption", "placed", "nothing"]

NEGATIVES: Final = ("", "lowres, bad anatomy, bad hands, cropped, worst quality")
"""Texts that stand for no text: the empty one, and Omost's default negative prompt, meaningless here."""

STOPS: Final = {"en": ". ", "zh": "。"}


def conditions(scene: Scene, language: str, form: Form, negative: str = "") -> tuple[Condition, ...]:
    """The texts that tell a scene, and their places on the canvas; the first covers it all.

    Args:
        scene: what to paint.
        language: "en" or "zh".
        form: "regions" reads the scene's canvas program as a painter does, with a region for each thing;
            the others give one text. "placed" is what MoMA's painter reads beside a reference: what is where,
            but not how it looks.
        negative: the text of "nothing".
    """
    match form:
        case "regions":
            return read_canvas(canvas_program(scene, language)).canvas.conditions
        case "description":
            opening, *sentences = _sentences(describe(scene, language), language)
            return (Condition(WHOLE, (opening,), tuple(sentences), None),)
        case "caption":
            return (Condition(WHOLE, (as_sentence(caption(scene, language)),), (), None),)
        case "placed":
            things = scene.reading_order
            told = ", ".join(subject_prompt(each, scene.place, language) for each in things)
            noun = words_of(language).kinds[things[0].kind]
            return (Condition(WHOLE, (f"photo of a {noun}. {told}",), (), None),)
        case "nothing":
            return (Condition(WHOLE, (negative,) if negative else (), (), None),)


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
