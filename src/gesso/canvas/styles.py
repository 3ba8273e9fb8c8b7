"""How a canvas is put into words for a painting model: Omost's sentences, or tags.

SDXL and its relatives were trained on sentences. Checkpoints for anime and those of the Pony family were
trained on tags of an image board, behind tags that grade quality; they read a list of tags far better.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from gesso.canvas.canvas import Canvas, Condition
from gesso.canvas.parts import GlobalDescription, Region
from gesso.core.errors import UnknownNameError

__all__ = ["STYLES", "PromptStyle", "style_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStyle:
    """A way to tell a canvas.

    Attributes:
        name: what users call it.
        tags: tell each part by its tags, or by its description where it has none; atmosphere, style and
            quality are sentences, and left out. Else by sentences, as Omost does.
        quality: tags that grade quality, in front of every prompt.
        negative: what to keep away from, unless the user says; None leaves it to the painter.
        about: one line for a list.
    """

    name: str
    tags: bool
    quality: str = ""
    negative: str | None = None
    about: str = ""

    def conditions(self, canvas: Canvas) -> tuple[Condition, ...]:
        """What is to be painted where, in these words: the background everywhere, then the regions."""
        return (
            tuple(map(partial(self._tagged, canvas), canvas.conditions)) if self.tags else canvas.conditions
        )

    def _tagged(self, canvas: Canvas, told: Condition) -> Condition:
        """A part of a canvas in tags."""
        ground, region = canvas.background, told.region
        texts: tuple[str, ...] = (_tags(ground),)
        if region is not None:
            # a program may have had another background, or none, when it added the region
            setting = texts if region.setting is None else region.setting
            texts = (*setting, _tags(region))
        details = (region or ground).detailed_descriptions
        return Condition(told.box, _listed((self.quality, *texts)), _listed(details), region)


STYLES: Final[Mapping[str, PromptStyle]] = MappingProxyType(
    {
        style.name: style
        for style in (
            PromptStyle(name="sentences", tags=False, about="Omost's own, for SDXL and most checkpoints"),
            PromptStyle(name="tags", tags=True, about="tags alone"),
            PromptStyle(
                name="anime",
                tags=True,
                quality="masterpiece, best quality, very aesthetic, absurdres",
                negative="lowres, bad anatomy, bad hands, text, error, extra digits, cropped, "
                "worst quality, low quality, jpeg artifacts, signature, watermark, username",
                about="tags with the quality tags of Animagine, NoobAI and Illustrious",
            ),
            PromptStyle(
                name="pony",
                tags=True,
                quality="score_9, score_8_up, score_7_up",
                negative="score_6, score_5, score_4",
                about="tags with the scores of Pony Diffusion",
            ),
        )
    }
)
"""Name -> style."""


def style_named(name: str) -> PromptStyle:
    """A style by its name.

    Raises:
        UnknownNameError: there is none of this name.
    """
    if name not in STYLES:
        raise UnknownNameError("prompt style", name, STYLES)
    return STYLES[name]


def _tags(part: GlobalDescription | Region) -> str:
    """The tags of a part; one without any is told by its description."""
    return part.tags if part.tags.strip(",. ") else part.description


def _listed(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Texts as pieces of one list of tags: no full stops, a comma behind each, empty ones left out."""
    bare = (text.strip(",. ") for text in texts)
    return tuple(f"{text}, " for text in bare if text)
