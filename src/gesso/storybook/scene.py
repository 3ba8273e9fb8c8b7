"""Scenes of the storybook world: what is where, in which colour and pattern.

A scene is plain data: `storybook.draw` paints it, `storybook.tell` talks about it and
`storybook.compose` writes its canvas program. Everything random in it follows from its seed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, Final, Self

from gesso.canvas.vocabulary import GRID, LOCATIONS, OFFSETS
from gesso.core.errors import UnknownNameError, UsageError

__all__ = [
    "COLOURS",
    "KINDS",
    "MAX_THINGS",
    "PATTERNS",
    "PLACES",
    "RARE_KINDS",
    "SIGN_CHARACTERS",
    "SIGN_LENGTH",
    "SIGN_RATE",
    "SIZES",
    "Scene",
    "Thing",
    "sample_scene",
    "with_rare",
]

PLACES: Final = ("meadow", "beach", "night", "sea", "snow", "room", "desert", "city")

KINDS: Final = (
    "cat", "dog", "rabbit", "bird", "fish", "turtle", "butterfly", "snail",
    "tree", "flower", "mushroom", "house", "castle", "car", "boat", "rocket",
    "balloon", "kite", "ball", "cup", "hat", "umbrella", "robot", "teapot",
)  # fmt: skip

RARE_KINDS: Final = ("moon",)
"""Kinds that no scene is sampled with, so that scenes and what was learned of them stay as they are; painters
meet them by `with_rare`."""

COLOURS: Final = (
    "red", "orange", "yellow", "green", "blue", "purple",
    "pink", "brown", "white", "black", "gray", "turquoise",
)  # fmt: skip

PATTERNS: Final = ("plain", "striped", "dotted", "checked")

# a fifth to a third of the side, each about 1.3 times the one before, so that sizes can be told by eye
SIZES: Final[Mapping[str, float]] = {"small": 0.20, "medium": 0.26, "large": 0.33}
"""Size name -> side of the thing's square, as a fraction of the picture's side."""

SIGN_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SIGN_LENGTH: Final = 5  # most characters of a sign
SIGN_RATE: Final = 0.15  # share of things with a sign
# of nine locations: a full scene still has gaps, and empty places to ask about
MAX_THINGS: Final = 6
MAX_OVERLAP: Final = 0.15  # of the smaller square; more would hide patterns


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a scene.

    Attributes:
        kind: one of `KINDS` or `RARE_KINDS`.
        colour: main colour, one of `COLOURS`.
        pattern: one of `PATTERNS`.
        second_colour: colour of the stripes, dots or checks; None exactly when plain.
        size: one of `SIZES`.
        location: one of the nine canvas locations.
        offset: one of the nine canvas offsets.
        distance: distance to the viewer, > 0; nearer things are painted over farther ones.
        sign: 1-5 capital letters or digits on a small board, or None.
    """

    kind: str
    colour: str
    pattern: str
    second_colour: str | None
    size: str
    location: str
    offset: str
    distance: float
    sign: str | None = None

    def __post_init__(self) -> None:
        """Refuse values outside the vocabulary, naming what is allowed."""
        for what, value, known in (
            ("kind", self.kind, (*KINDS, *RARE_KINDS)),
            ("colour", self.colour, COLOURS),
            ("pattern", self.pattern, PATTERNS),
            ("size", self.size, SIZES),
            ("location", self.location, LOCATIONS),
            ("offset", self.offset, OFFSETS),
        ):
            if value not in known:
                raise UnknownNameError(what, str(value), known)
        if self.second_colour is not None and self.second_colour not in COLOURS:
            raise UnknownNameError("second colour", self.second_colour, COLOURS)
        if (self.second_colour is None) != (self.pattern == "plain"):
            raise UsageError(f"a {self.pattern} thing with second colour {self.second_colour!r}; "
                             "plain things have none, all others need one")  # fmt: skip
        if self.second_colour == self.colour:
            raise UsageError(f"colour and second colour are both {self.colour}; choose two")
        if not self.distance > 0:
            raise UsageError(f"distance is {self.distance}; it must be > 0")
        if self.sign is not None and not _is_sign(self.sign):
            raise UsageError(f"sign {self.sign!r}; allowed: 1-5 of {SIGN_CHARACTERS}")

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) as fractions of the picture, kept so that the thing stays inside."""
        (x, y), (dx, dy), half = LOCATIONS[self.location], OFFSETS[self.offset], SIZES[self.size] / 2
        # GRID counts 90 steps a side; a hundredth of the picture stays free at its edge
        inside = [min(max(v / GRID, half + 0.01), 0.99 - half) for v in (x + dx, y + dy)]
        return inside[0], inside[1]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Square (x0, y0, x1, y1) the thing is drawn in, as fractions of the picture."""
        (x, y), half = self.centre, SIZES[self.size] / 2
        return x - half, y - half, x + half, y + half


@dataclass(frozen=True, slots=True)
class Scene:
    """A place with 1-6 things in it, and the seed of its natural variation."""

    seed: int
    place: str
    things: tuple[Thing, ...]

    def __post_init__(self) -> None:
        """Refuse unknown places, too many things and two things at one location."""
        if self.place not in PLACES:
            raise UnknownNameError("place", self.place, PLACES)
        if not 1 <= len(self.things) <= MAX_THINGS:
            raise UsageError(f"{len(self.things)} things; a scene has 1 to {MAX_THINGS}")
        locations = [thing.location for thing in self.things]
        if len(set(locations)) < len(locations):
            raise UsageError(f"two things at one location: {sorted(locations)}; use each once")

    def to_dict(self) -> dict[str, Any]:
        """The scene as JSON-ready data."""
        return asdict(self)

    def to_json(self) -> str:
        """The scene as one canonical line of JSON."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; unknown or missing fields raise `UsageError`."""
        try:
            things = tuple(Thing(**thing) for thing in data["things"])
            return cls(**{**data, "things": things})
        except (TypeError, KeyError) as error:
            raise UsageError(f"not a scene: {error}; fields: seed, place, things") from error

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"not a scene: invalid JSON, {error}") from error
        if not isinstance(data, dict):
            raise UsageError("not a scene: the JSON is no object with seed, place, things")
        return cls.from_dict(data)

    @property
    def reading_order(self) -> tuple[Thing, ...]:
        """The things row by row from the top left, the order every text lists them in."""
        # y before x: rows first
        rank = {name: (y, x) for name, (x, y) in LOCATIONS.items()}
        return tuple(sorted(self.things, key=lambda thing: rank[thing.location]))


def sample_scene(
    seed: int,
    *,
    pairs: Sequence[tuple[str, str]],
    counts: Sequence[int] = range(1, MAX_THINGS + 1),
    sign_rate: float = SIGN_RATE,
    offsets: bool = True,
) -> Scene:
    """Draw a scene at random, the same one for the same arguments.

    Args:
        seed: seed of the scene, kept in it.
        pairs: the (kind, colour) pairs that may appear.
        counts: how many things a scene may have.
        sign_rate: share of things that carry a sign.
        offsets: whether things may stand a little beside their locations, as only canvas programs tell.
    """
    rng = Random(seed)
    things: list[Thing] = []
    for location in rng.sample(sorted(LOCATIONS), rng.choice(counts)):
        thing = _sample_thing(rng, location, pairs, sign_rate)
        if not offsets or any(_overlap(thing, other) > MAX_OVERLAP for other in things):
            # in the middle of their locations large things may still overlap a little, but never much
            thing = Thing(**{**asdict(thing), "offset": "no offset"})
        things.append(thing)
    return Scene(seed, rng.choice(PLACES), tuple(things))


def with_rare(scene: Scene, share: float) -> Scene:
    """The scene with this share of its things turned into things of `RARE_KINDS`, the same every time."""
    rng = Random(f"rare/{scene.seed}")
    things = (
        replace(thing, kind=rng.choice(RARE_KINDS)) if rng.random() < share else thing
        for thing in scene.things
    )
    return replace(scene, things=tuple(things))


def _sample_thing(rng: Random, location: str, pairs: Sequence[tuple[str, str]], sign_rate: float) -> Thing:
    kind, colour = rng.choice(pairs)
    # the order of draws is part of the world: another order would be other scenes under the same seeds
    pattern = rng.choice(PATTERNS)
    second = None if pattern == "plain" else rng.choice([c for c in COLOURS if c != colour])
    sign = None
    if rng.random() < sign_rate:
        sign = "".join(rng.choices(SIGN_CHARACTERS, k=rng.randint(1, SIGN_LENGTH)))
    return Thing(
        kind=kind,
        colour=colour,
        pattern=pattern,
        second_colour=second,
        size=rng.choice(sorted(SIZES)),
        location=location,
        offset=rng.choice(_inward_offsets(location)),
        # one digit, so that scenes read well as JSON
        distance=round(rng.uniform(1, 10), 1),
        sign=sign,
    )


def _inward_offsets(location: str) -> list[str]:
    """Offsets that do not push a thing at the picture's edge further out."""
    # from the centre of the picture: an offset with the same sign leads away from it
    x, y = (value - GRID // 2 for value in LOCATIONS[location])
    return [name for name, (dx, dy) in OFFSETS.items() if x * dx <= 0 and y * dy <= 0]


def _overlap(a: Thing, b: Thing) -> float:
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.box, b.box
    width, height = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(SIZES[a.size], SIZES[b.size]) ** 2


def _is_sign(text: str) -> bool:
    # what comes from JSON may be of any type: a list of letters has a length and letters, too
    return isinstance(text, str) and 1 <= len(text) <= SIGN_LENGTH and set(text) <= set(SIGN_CHARACTERS)
