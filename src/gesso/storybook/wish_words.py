"""The wordings of wishes for storybook scenes, in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["RELATIONS", "WISH_WORDS", "WishWords"]

RELATIONS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1),
        "above left": (-1, -1), "above right": (1, -1), "below left": (-1, 1), "below right": (1, 1),
    }
)  # fmt: skip
"""Relation -> step (right, down) from the thing it refers to, on the grid of three by three locations."""


@dataclass(frozen=True, slots=True)
class WishWords:
    """The wordings of one language; names in braces are filled in.

    Attributes:
        forms: whole wishes of {ask}, {place} or {background}, and {things} (a list) or {sentences}.
        asks: ways to ask for a picture.
        items: a thing in a list: {what} and {where}.
        sentences: a thing in a sentence of its own.
        joints: what stands between the things of a list; the second before the last.
        plain: "" or a word for what has no pattern, before its colour.
        marked: ways to say {body}, which has {mark}.
        signs: ways to say that {body} has a sign that says {sign}.
        sizes: size -> adjectives; "" says nothing, and means medium.
        locations: location -> ways to say where that is.
        relations: relation -> ways to say where that is from {other}.
        direct: relation -> the same, where a thing farther away could be meant otherwise.
        spellings: word -> how else it is spelt.
    """

    forms: tuple[str, ...]
    asks: tuple[str, ...]
    items: tuple[str, ...]
    sentences: tuple[str, ...]
    joints: tuple[tuple[str, str], ...]
    plain: tuple[str, ...]
    marked: tuple[str, ...]
    signs: tuple[str, ...]
    sizes: Mapping[str, tuple[str, ...]]
    locations: Mapping[str, tuple[str, ...]]
    relations: Mapping[str, tuple[str, ...]]
    direct: Mapping[str, tuple[str, ...]]
    spellings: Mapping[str, tuple[str, ...]]


ENGLISH: Final = WishWords(
    forms=(
        "{ask} {place}: {things}.",
        "{ask} of {things}, all of it {place}.",
        "{place}: {things}.",
        "{place}, {things}.",
        "{things}, {place}.",
        "{things}. The background is {background}.",
        "{ask} with {background} as its background. {sentences}",
        "{ask} {place}. {sentences}",
        "{sentences} It all takes place {place}.",
        "{sentences} The background is {background}.",
    ),
    asks=(
        "a picture", "paint a picture", "draw a picture", "generate an image", "create an image",
        "I want a picture", "I would like an image", "please paint a scene", "can you draw a scene",
    ),
    items=("{what} {where}", "{what} {where}", "{where} {what}"),
    sentences=(
        "{where} is {what}.", "{where} there is {what}.", "there is {what} {where}.", "put {what} {where}.",
        "I want {what} {where}.", "{what} is {where}.", "{where}, paint {what}.",
    ),
    joints=((", ", " and "), (", ", ", and "), ("; ", "; "), (", ", ", ")),
    plain=("", "", "", "plain"),
    marked=("{body} with {mark}", "{body} that has {mark}", "{adjective} {body} ({mark})"),
    signs=('{body} with a sign saying "{sign}"', '{body} whose sign says "{sign}"',
           '{body} holding a sign that reads "{sign}"'),
    sizes={
        "small": ("small", "little"),
        "medium": ("", "", "medium", "medium-sized"),
        "large": ("large", "big"),
    },
    locations={
        "in the center": ("in the center", "in the middle", "in the centre"),
        "on the left": ("on the left", "on the left side", "at the left"),
        "on the right": ("on the right", "on the right side", "at the right"),
        "on the top": ("at the top", "on the top", "at the top in the middle"),
        "on the bottom": ("at the bottom", "on the bottom", "at the bottom in the middle"),
        "on the top-left": ("at the top left", "in the top left corner", "in the upper left"),
        "on the top-right": ("at the top right", "in the top right corner", "in the upper right"),
        "on the bottom-left": ("at the bottom left", "in the bottom left corner", "in the lower left"),
        "on the bottom-right": ("at the bottom right", "in the bottom right corner", "in the lower right"),
    },
    relations={
        "left": ("left of {other}", "to the left of {other}"),
        "right": ("right of {other}", "to the right of {other}"),
        "above": ("above {other}", "over {other}"),
        "below": ("below {other}", "under {other}"),
        "above left": ("above and to the left of {other}",),
        "above right": ("above and to the right of {other}",),
        "below left": ("below and to the left of {other}",),
        "below right": ("below and to the right of {other}",),
    },
    direct={
        "left": ("directly left of {other}", "just left of {other}"),
        "right": ("directly right of {other}", "just right of {other}"),
        "above": ("directly above {other}", "just above {other}"),
        "below": ("directly below {other}", "just below {other}"),
    },
    spellings={"gray": ("gray", "grey")},
)  # fmt: skip

CHINESE: Final = WishWords(
    forms=(
        "{ask}：{place}，{things}。",
        "{ask}，{place}，{things}。",
        "{place}，{things}。",
        "{things}，背景是{background}。",
        "{ask}，背景是{background}。{sentences}",
        "{ask}，场景在{place}。{sentences}",
        "{sentences}背景是{background}。",
        "{sentences}这些都在{place}。",
    ),
    asks=("画一幅画", "请画一张图", "生成一张图片", "帮我画一幅画", "我想要一张图", "给我画一个场景"),
    items=("{where}有{what}", "{where}是{what}", "{what}在{where}"),
    sentences=(
        "{where}有{what}。", "{where}是{what}。", "{what}在{where}。", "在{where}画{what}。",
        "把{what}放在{where}。",
    ),
    joints=(("，", "，"), ("；", "；"), ("，", "，还有")),
    plain=("", "", "", "纯色的"),
    marked=("有{mark}的{body}", "带{mark}的{body}", "带着{mark}的{body}"),
    signs=("{body}，牌子写着“{sign}”", "{body}，牌子上写着“{sign}”", "{body}，它的牌子写着“{sign}”"),
    sizes={"small": ("小",), "medium": ("", "", "中号"), "large": ("大",)},
    locations={
        "in the center": ("中间", "正中间", "中央"),
        "on the left": ("左边", "画面左边", "左侧"),
        "on the right": ("右边", "画面右边", "右侧"),
        "on the top": ("上方", "画面上方", "顶部"),
        "on the bottom": ("下方", "画面下方", "底部"),
        "on the top-left": ("左上角", "画面左上角"),
        "on the top-right": ("右上角", "画面右上角"),
        "on the bottom-left": ("左下角", "画面左下角"),
        "on the bottom-right": ("右下角", "画面右下角"),
    },
    relations={
        "left": ("{other}的左面",),
        "right": ("{other}的右面",),
        "above": ("{other}的上面",),
        "below": ("{other}的下面",),
        "above left": ("{other}的左上方",),
        "above right": ("{other}的右上方",),
        "below left": ("{other}的左下方",),
        "below right": ("{other}的右下方",),
    },
    direct={
        "left": ("紧挨着{other}的左面",),
        "right": ("紧挨着{other}的右面",),
        "above": ("紧挨着{other}的上面",),
        "below": ("紧挨着{other}的下面",),
    },
    spellings={},
)  # fmt: skip

WISH_WORDS: Final[Mapping[str, WishWords]] = MappingProxyType({"en": ENGLISH, "zh": CHINESE})
"""Language -> its wordings."""
