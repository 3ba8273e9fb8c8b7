"""The words of the storybook world in English and Chinese, and the phrases made of them.

The language is small and regular on purpose: one word per fact, one order of words, so that a language
model of a few million parameters can speak it without mistakes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gesso.core.errors import UnknownNameError
from gesso.storybook.scene import COLOURS, KINDS, PLACES, RARE_KINDS, Thing

__all__ = ["LANGUAGES", "Words", "words_of"]


@dataclass(frozen=True, slots=True)
class Words:
    """The vocabulary of one language; every mapping goes from our names to words.

    Attributes:
        language: "en" or "zh".
        places: place -> where it is ("on a meadow").
        backgrounds: place -> what it is ("a meadow").
        kinds: kind -> noun.
        counters: kind -> the word that counts one of it ("a", "an"; in Chinese with the measure word).
        colours: colour -> adjective.
        patterns: pattern -> adjective ("striped").
        marks: pattern, except plain -> what it consists of ("stripes").
        sizes: size -> adjective.
        locations: location -> where that is ("at the top left").
        corners: location -> what it is called ("the top left").
        numbers: how many there are, 0-6, as an answer.
        yes_no: the words for True and False.
        nothing: the answer for an empty location.
    """

    language: str
    places: Mapping[str, str]
    backgrounds: Mapping[str, str]
    kinds: Mapping[str, str]
    counters: Mapping[str, str]
    colours: Mapping[str, str]
    patterns: Mapping[str, str]
    marks: Mapping[str, str]
    sizes: Mapping[str, str]
    locations: Mapping[str, str]
    corners: Mapping[str, str]
    numbers: tuple[str, ...]
    yes_no: Mapping[bool, str]
    nothing: str

    def a(self, kind: str, colour: str | None = None) -> str:
        """One of a kind: "a cat", "an orange cat"."""
        if self.language == "zh":
            return self.counters[kind] + (self.colours[colour] if colour else "") + self.kinds[kind]
        if colour is None:
            return f"{self.counters[kind]} {self.kinds[kind]}"
        # no other colour begins with a vowel
        article = "an" if colour == "orange" else "a"
        return f"{article} {self.colours[colour]} {self.kinds[kind]}"

    def phrase(self, thing: Thing, *, size: bool = True, sign: bool = False) -> str:
        """Everything about a thing but its location: "a small blue fish with white stripes".

        Args:
            thing: what to speak of.
            size: whether to say how big it is.
            sign: whether to say what its sign says, if it has one.
        """
        said = thing.sign if sign else None
        if self.language == "zh":
            board = f"，牌子写着“{said}”" if said else ""
            mark = f"有{self.mark(thing)}的" if thing.second_colour else ""
            # Chinese puts marks first and size last: 一条有白色条纹的蓝色小鱼
            big = self.sizes[thing.size] if size else ""
            one, name = self.counters[thing.kind], self.kinds[thing.kind]
            return f"{one}{mark}{self.colours[thing.colour]}{big}{name}{board}"
        name = f"{self.colours[thing.colour]} {self.kinds[thing.kind]}"
        start = f"a {thing.size} {name}" if size else self.a(thing.kind, thing.colour)
        extras = [self.mark(thing)] if thing.second_colour else []
        extras += [f'a sign saying "{said}"'] if said else []
        return f"{start} with {' and '.join(extras)}" if extras else start

    def mark(self, thing: Thing) -> str:
        """The marks of a thing that is not plain: "white stripes"."""
        gap = "" if self.language == "zh" else " "
        return f"{self.colours[thing.second_colour or thing.colour]}{gap}{self.marks[thing.pattern]}"


# Omost's own wording, hyphens included, since canvases are written with it
_LOCATIONS: Final = (
    "on the top-left", "on the top", "on the top-right",
    "on the left", "in the center", "on the right",
    "on the bottom-left", "on the bottom", "on the bottom-right",
)  # fmt: skip
_CORNERS_EN: Final = (
    "the top left", "the top", "the top right",
    "the left", "the middle", "the right",
    "the bottom left", "the bottom", "the bottom right",
)  # fmt: skip
_PREPOSITIONS: Final = ("at", "at", "at", "on", "in", "on", "at", "at", "at")
_CORNERS_ZH: Final = ("左上角", "上方", "右上角", "左边", "中间", "右边", "左下角", "下方", "右下角")
_PLACES_ZH: Final = ("草地上", "海滩上", "夜空下", "大海里", "雪地里", "房间里", "沙漠里", "城市里")
_BACKGROUNDS_ZH: Final = ("草地", "海滩", "夜空", "大海", "雪地", "房间", "沙漠", "城市")
_ALL_KINDS: Final = (*KINDS, *RARE_KINDS)
_KINDS_ZH: Final = (
    "猫", "狗", "兔子", "鸟", "鱼", "乌龟", "蝴蝶", "蜗牛",
    "树", "花", "蘑菇", "房子", "城堡", "汽车", "船", "火箭",
    "气球", "风筝", "球", "杯子", "帽子", "雨伞", "机器人", "茶壶",
    "月亮",
)  # fmt: skip
# a measure word for each kind in turn: a fish is a 条, a car a 辆
_MEASURES_ZH: Final = "只只只只条只只只棵朵个座座辆艘枚个只个个顶把个把轮"
_COLOURS_ZH: Final = (
    "红色", "橙色", "黄色", "绿色", "蓝色", "紫色", "粉色", "棕色", "白色", "黑色", "灰色", "青色",
)  # fmt: skip

ENGLISH: Final = Words(
    language="en",
    places={
        "meadow": "on a meadow", "beach": "at the beach", "night": "at night", "sea": "in the sea",
        "snow": "in the snow", "room": "in a room", "desert": "in the desert", "city": "in the city",
    },
    backgrounds={
        "meadow": "a meadow", "beach": "a beach", "night": "the night", "sea": "the sea",
        "snow": "the snow", "room": "a room", "desert": "a desert", "city": "a city",
    },
    kinds={kind: kind for kind in _ALL_KINDS},
    counters={kind: "an" if kind == "umbrella" else "a" for kind in _ALL_KINDS},
    colours={colour: colour for colour in COLOURS},
    patterns={"plain": "plain", "striped": "striped", "dotted": "dotted", "checked": "checked"},
    marks={"striped": "stripes", "dotted": "dots", "checked": "checks"},
    sizes={"small": "small", "medium": "medium", "large": "large"},
    locations={
        name: f"{preposition} {corner}"
        for name, preposition, corner in zip(_LOCATIONS, _PREPOSITIONS, _CORNERS_EN, strict=True)
    },
    corners=dict(zip(_LOCATIONS, _CORNERS_EN, strict=True)),
    numbers=("zero", "one", "two", "three", "four", "five", "six"),
    yes_no={True: "yes", False: "no"},
    nothing="nothing",
)  # fmt: skip

CHINESE: Final = Words(
    language="zh",
    places=dict(zip(PLACES, _PLACES_ZH, strict=True)),
    backgrounds=dict(zip(PLACES, _BACKGROUNDS_ZH, strict=True)),
    kinds=dict(zip(_ALL_KINDS, _KINDS_ZH, strict=True)),
    counters={kind: f"一{measure}" for kind, measure in zip(_ALL_KINDS, _MEASURES_ZH, strict=True)},
    colours=dict(zip(COLOURS, _COLOURS_ZH, strict=True)),
    patterns={"plain": "纯色", "striped": "条纹", "dotted": "圆点", "checked": "格子"},
    marks={"striped": "条纹", "dotted": "圆点", "checked": "格子"},
    sizes={"small": "小", "medium": "中号", "large": "大"},
    locations=dict(zip(_LOCATIONS, _CORNERS_ZH, strict=True)),
    corners=dict(zip(_LOCATIONS, _CORNERS_ZH, strict=True)),
    numbers=("零个", "一个", "两个", "三个", "四个", "五个", "六个"),
    yes_no={True: "是", False: "否"},
    nothing="没有东西",
)

_WORDS: Final[Mapping[str, Words]] = {words.language: words for words in (ENGLISH, CHINESE)}
LANGUAGES: Final = tuple(_WORDS)


def words_of(language: str) -> Words:
    """The words of "en" or "zh"; any other language raises `UnknownNameError`."""
    if language not in _WORDS:
        raise UnknownNameError("language", language, LANGUAGES)
    return _WORDS[language]
