"""How the questions about a storybook scene are put, in English and Chinese.

Each kind has wordings with named gaps: `thing`, `other` and `kind` are noun phrases, the rest single words.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["WORDINGS"]

_ENGLISH: Final[Mapping[str, tuple[str, ...]]] = {
    "place": ("What place is this?", "What is the background?", "What place does the picture show?"),
    "count": ("How many things are there?", "How many things does the picture show?"),
    "count_colour": ("How many {word} things are there?", "How many things are {word}?"),
    "count_pattern": ("How many {word} things are there?", "How many things are {word}?"),
    "kind_at": ("What is {location}?", "What can be seen {location}?", "Which thing is {location}?"),
    "colour": ("What colour is {thing}?", "Which colour does {thing} have?"),
    "pattern": ("What pattern does {thing} have?", "Is {thing} plain, striped, dotted or checked?"),
    "second_colour": (
        "What colour are the {marks} of {thing}?",
        "Which colour do the {marks} of {thing} have?",
    ),
    "location": ("Where is {thing}?", "In which part of the picture is {thing}?"),
    "size": ("How big is {thing}?", "Is {thing} small, medium or large?"),
    "exists": ("Is there {thing}?", "Does the picture show {thing}?", "Can you see {thing}?"),
    "exists_at": ("Is there {thing} {location}?", "Can you see {thing} {location}?"),
    "bigger": ("Which is bigger, {thing} or {other}?", "Which is larger, {thing} or {other}?"),
    "smaller": ("Which is smaller, {thing} or {other}?",),
    "left": ("Is {thing} left of {other}?", "Is {thing} to the left of {other}?"),
    "right": ("Is {thing} right of {other}?", "Is {thing} to the right of {other}?"),
    "above": ("Is {thing} above {other}?", "Is {thing} higher up than {other}?"),
    "below": ("Is {thing} below {other}?", "Is {thing} lower down than {other}?"),
    "what_left": ("What is to the left of {thing}?", "Which thing is left of {thing}?"),
    "what_right": ("What is to the right of {thing}?", "Which thing is right of {thing}?"),
    "what_above": ("What is above {thing}?", "Which thing is above {thing}?"),
    "what_below": ("What is below {thing}?", "Which thing is below {thing}?"),
    "same_colour": ("What has the same colour as {thing}?", "Which other thing has the colour of {thing}?"),
    "same_pattern": ("What has the same pattern as {thing}?", "What is patterned like {thing}?"),
    "same_size": ("What has the same size as {thing}?", "Which other thing is as big as {thing}?"),
    "count_same_colour": ("How many other things have the same colour as {thing}?",),
    "count_same_pattern": ("How many other things have the same pattern as {thing}?",),
    "count_same_size": ("How many other things have the same size as {thing}?",),
    "more": ("Are there more {word} things than {second} things?",),
    "sign": ("What does the sign of {thing} say?", "What is written on the sign of {thing}?"),
    "detail": (
        "Describe the picture in detail.",
        "What does the picture show?",
        "Tell me everything you see in the picture.",
    ),
}  # fmt: skip

_CHINESE: Final[Mapping[str, tuple[str, ...]]] = {
    "place": ("这是哪里？", "背景是什么？"),
    "count": ("有几个东西？", "图里有多少东西？"),
    "count_colour": ("有几个{word}的东西？", "{word}的东西有几个？"),
    "count_pattern": ("有几个{word}的东西？", "{word}的东西有几个？"),
    "kind_at": ("{location}是什么？", "{location}有什么？"),
    "colour": ("{thing}是什么颜色？", "{thing}的颜色是什么？"),
    "pattern": ("{thing}是什么花纹？", "{thing}是纯色、条纹、圆点还是格子？"),
    "second_colour": ("{thing}的{marks}是什么颜色？",),
    "location": ("{thing}在哪里？", "{thing}在图的哪个位置？"),
    "size": ("{thing}有多大？", "{thing}是小、中号还是大？"),
    "exists": ("有{thing}吗？", "图里有{thing}吗？"),
    "exists_at": ("{location}有{thing}吗？", "{location}能看到{thing}吗？"),
    "bigger": ("{thing}和{other}哪个更大？",),
    "smaller": ("{thing}和{other}哪个更小？",),
    "left": ("{thing}在{other}的左面吗？",),
    "right": ("{thing}在{other}的右面吗？",),
    "above": ("{thing}在{other}的上面吗？",),
    "below": ("{thing}在{other}的下面吗？",),
    "what_left": ("{thing}的左面是什么？",),
    "what_right": ("{thing}的右面是什么？",),
    "what_above": ("{thing}的上面是什么？",),
    "what_below": ("{thing}的下面是什么？",),
    "same_colour": ("什么和{thing}颜色一样？",),
    "same_pattern": ("什么和{thing}花纹一样？",),
    "same_size": ("什么和{thing}一样大？",),
    "count_same_colour": ("还有几个东西和{thing}颜色一样？",),
    "count_same_pattern": ("还有几个东西和{thing}花纹一样？",),
    "count_same_size": ("还有几个东西和{thing}一样大？",),
    "more": ("{word}的东西比{second}的东西多吗？",),
    "sign": ("{thing}的牌子上写着什么？",),
    "detail": ("请详细描述这张图。", "图里有什么？"),
}

WORDINGS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {"en": _ENGLISH, "zh": _CHINESE}
)
"""Language -> form of question -> its wordings."""
