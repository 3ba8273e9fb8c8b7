"""What a region of a canvas shows, in the names of the storybook.

Descriptions may be in either language and in free words: a kind, a colour, a pattern are found by their
words. Colours are also read from the region's HTML colour, by its family.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import Region
from gesso.storybook.colour_families import COLOUR_FAMILY
from gesso.storybook.scene import PLACES, SIGN_CHARACTERS
from gesso.storybook.words import LANGUAGES, Words, words_of

__all__ = ["RegionFacts", "place_of", "region_facts"]

_QUOTED: Final = re.compile(r'["“]([^"“”]*)["”]')
_SIGN: Final = re.compile(f"[{SIGN_CHARACTERS}]{{1,5}}")


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """What one region shows; None where its texts do not say.

    Attributes:
        location: the canvas location.
        size: "small", "medium" or "large", from the area, whatever its shape.
        kind: one of `scene.KINDS`.
        colour: main colour by the description, one of `scene.COLOURS`.
        paint: the storybook colour that the HTML colour stands for.
        pattern: one of `scene.PATTERNS`; "plain" where none is named.
        second_colour: colour of the stripes, dots or checks.
        sign: what its sign says.
    """

    location: str
    size: str
    kind: str | None
    colour: str | None
    paint: str
    pattern: str
    second_colour: str | None
    sign: str | None

    def is_coloured(self, colour: str) -> bool:
        """Whether the thing has this colour: the HTML colour says so, and the words do not say otherwise."""
        return self.paint == colour and self.colour in (colour, None)


def region_facts(region: Region) -> RegionFacts:
    """Read the facts of a region.

    What stands in quotes is the text of a sign, and says nothing else about the thing. Of several kinds the
    head of the phrase counts: the first in English, the last in Chinese.
    """
    texts = " ".join((region.description, *region.detailed_descriptions))
    phrase = _QUOTED.sub(" ", region.description).lower()
    said = next((found for language in LANGUAGES if (found := _reader(language).read(phrase))), _Said())
    return RegionFacts(
        location=region.location,
        size=region.area.split()[1].partition("-")[0],  # "a medium-sized square area"
        kind=said.kind,
        colour=said.colour,
        paint=COLOUR_FAMILY[region.colour],
        pattern=said.pattern,
        second_colour=said.second_colour,
        sign=next((text for text in _QUOTED.findall(texts) if _SIGN.fullmatch(text)), None),
    )


def place_of(canvas: Canvas) -> str | None:
    """The storybook place that the background's description names first, None if it names none."""
    text = canvas.background.description.lower()
    found = [(at, place) for place in PLACES for name in _place_names(place) if (at := text.find(name)) >= 0]
    return min(found)[1] if found else None


@dataclass(frozen=True, slots=True)
class _Said:
    kind: str | None = None
    colour: str | None = None
    pattern: str = "plain"
    second_colour: str | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    """The words of one language as patterns, and the names they stand for."""

    kind: re.Pattern[str]
    colour: re.Pattern[str]
    mark: re.Pattern[str]
    patterned: re.Pattern[str]
    names: Mapping[str, str]
    head_last: bool

    def read(self, phrase: str) -> _Said | None:
        """What a phrase says, None if it names nothing in this language."""
        mark = self.mark.search(phrase)
        pattern = mark or self.patterned.search(phrase)
        rest = self.mark.sub(lambda found: " " * len(found[0]), phrase)  # places stay as they were
        kinds = list(self.kind.finditer(rest))
        head = kinds[-1 if self.head_last else 0] if kinds else None
        colour = self._colour(rest, head.start() if head else len(rest))
        if not (mark or head or colour):
            return None
        return _Said(
            kind=self.names[head["word"]] if head else None,
            colour=colour,
            pattern=self.names[pattern["pattern"]] if pattern else "plain",
            second_colour=self.names[mark["second"]] if mark else None,
        )

    def _colour(self, text: str, head: int) -> str | None:
        """The last colour before the head noun, else the first behind it ("a cat that is red")."""
        found = list(self.colour.finditer(text))
        before = [match for match in found if match.start() < head]
        chosen = before[-1] if before else next(iter(found), None)
        return self.names[chosen["word"]] if chosen else None


@cache
def _reader(language: str) -> _Reader:
    words = words_of(language)
    edge = "" if language == "zh" else r"\b"  # Chinese has no blanks between words
    plural = "" if language == "zh" else "s?"
    kinds, colours, marks = (_one_of(t.values()) for t in (words.kinds, words.colours, words.marks))
    gap = "" if language == "zh" else r"\s+"
    return _Reader(
        kind=re.compile(rf"{edge}(?P<word>{kinds}){plural}{edge}"),
        colour=re.compile(rf"{edge}(?P<word>{colours}){edge}"),
        mark=re.compile(rf"{edge}(?P<second>{colours}){gap}(?P<pattern>{marks}){edge}"),
        patterned=re.compile(rf"{edge}(?P<pattern>{marks}|{_one_of(words.patterns.values())}){edge}"),
        names=_names(words),
        head_last=language == "zh",
    )


def _names(words: Words) -> dict[str, str]:
    tables = (words.kinds, words.colours, words.patterns, words.marks)
    return {word: name for table in tables for name, word in table.items()}


@cache
def _place_names(place: str) -> tuple[str, ...]:
    """What a place is called in either language, without its article: "meadow", "草地"."""
    found = (words_of(language).backgrounds[place] for language in LANGUAGES)
    return tuple(re.sub(r"^(an?|the) ", "", name) for name in found)


def _one_of(words: Iterable[str]) -> str:
    """A pattern for any of the words, longer ones first."""
    return "|".join(sorted(map(re.escape, set(words)), key=len, reverse=True))
