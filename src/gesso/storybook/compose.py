"""Canvas programs of storybook scenes, and instructions that change a scene.

The programs are in Omost's notation (lllyasviel/Omost at 731e749, `lib_omost/canvas.py`): a fenced block with
one call per thing, every argument by keyword, so they run there as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Final

from gesso.canvas.vocabulary import LOCATIONS
from gesso.core.errors import UnsupportedError
from gesso.storybook.refer import reference
from gesso.storybook.scene import COLOURS, KINDS, MAX_THINGS, PATTERNS, PLACES, SIZES, Scene, Thing
from gesso.storybook.splits import split_of
from gesso.storybook.words import Words, words_of

__all__ = ["EDIT_KINDS", "MOOD", "Edit", "canvas_program", "edit", "order_after"]

PLACE_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "meadow": "limegreen", "beach": "sandybrown", "night": "midnightblue", "sea": "deepskyblue",
        "snow": "snow", "room": "bisque", "desert": "goldenrod", "city": "slategray",
    }
)  # fmt: skip
"""Place -> the HTML colour a canvas starts from."""

AREA_OF_SIZE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "small": "a small square area",
        "medium": "a medium-sized square area",
        "large": "a large square area",
    }
)

MOOD: Final[Mapping[str, str]] = MappingProxyType(
    {"atmosphere": "calm", "style": "storybook", "quality_meta": "clean"}
)
"""What programs say of every thing."""

UNTOLD: Final = "gray"
"""The colour of regions whose looks a program leaves open."""

TRIES: Final = 2000  # one try in 20 stays in a test split, so this fails for no scene


def canvas_program(
    scene: Scene, language: str = "en", order: Sequence[Thing] | None = None, *, looks: bool = True
) -> str:
    """The canvas program of a scene in a fenced block.

    Things come in reading order if no other is given; planners keep that of the wish, so that there is
    nothing to sort. Names of places, areas and colours are Omost's English ones in every language;
    descriptions are in the language asked for. Patterns' second colours appear in the descriptions only.
    Without looks, things are told by kind and place alone, as where references show how they look.
    """
    words = words_of(language)
    lines = ["```python", "canvas = Canvas()", _global_call(scene, words)]
    lines += [_local_call(thing, words, looks) for thing in order or scene.reading_order]
    return "\n".join([*lines, "```"])


def _global_call(scene: Scene, words: Words) -> str:
    arguments = {
        "description": words.places[scene.place],
        "detailed_descriptions": [],
        "tags": "storybook",
        "HTML_web_color_name": PLACE_COLOURS[scene.place],
    }
    return _call("set_global_description", arguments)


def _local_call(thing: Thing, words: Words, looks: bool) -> str:
    said = {"en": 'a sign saying "{}"', "zh": "牌子写着“{}”"}[words.language]
    arguments = {
        "location": thing.location,
        "offset": thing.offset,
        "area": AREA_OF_SIZE[thing.size],
        "distance_to_viewer": thing.distance,
        "description": words.phrase(thing) if looks else words.a(thing.kind),
        "detailed_descriptions": [said.format(thing.sign)] if thing.sign else [],
        "tags": words.kinds[thing.kind],
        **MOOD,
        "HTML_web_color_name": thing.colour if looks else UNTOLD,
    }
    return _call("add_local_description", arguments)


def _call(method: str, arguments: Mapping[str, object]) -> str:
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"canvas.{method}({written})"


@dataclass(frozen=True, slots=True)
class Edit:
    """An instruction and the scene it leads to; `kind` is one of `EDIT_KINDS`."""

    kind: str
    instruction: str
    scene: Scene


Change = tuple[str, Scene]
Editor = Callable[[Scene, Random, Words], Change | None]


def edit(scene: Scene, rng: Random, language: str = "en") -> Edit:
    """Change one thing about a scene; the result belongs to the same split as the scene.

    Args:
        scene: the scene to change.
        rng: source of all choices.
        language: language of the instruction, "en" or "zh".
    """
    words = words_of(language)
    split = split_of(scene)
    for _ in range(TRIES):
        kind = rng.choice(EDIT_KINDS)
        change = _EDITORS[kind](scene, rng, words)
        if change is not None and split_of(change[1]) == split:
            return Edit(kind, *change)
    raise UnsupportedError(f"no edit found that keeps scene {scene.seed} in {split!r}; use another scene")


def order_after(order: Sequence[Thing], before: Scene, after: Scene) -> tuple[Thing, ...]:
    """The order of things after an edit: what changed keeps its place, what is new comes last.

    Args:
        order: the things of `before`, in any order.
        before: the scene before the edit.
        after: `Edit.scene`.
    """
    if len(after.things) == len(before.things):
        return tuple(after.things[before.things.index(thing)] for thing in order)
    stayed = tuple(thing for thing in order if thing in after.things)
    return stayed + after.things[len(before.things) :]


def _swap(scene: Scene, old: Thing, new: Thing) -> Scene:
    return replace(scene, things=tuple(new if thing is old else thing for thing in scene.things))


def _some(scene: Scene, rng: Random, words: Words) -> tuple[Thing, str]:
    """A thing and its unambiguous name."""
    thing = rng.choice(scene.things)
    name = reference(scene, thing, words.language)
    return thing, str(name)  # with locations allowed every thing has a name


def _free_location(scene: Scene, rng: Random) -> str:
    taken = {thing.location for thing in scene.things}
    return rng.choice([name for name in LOCATIONS if name not in taken])


def _recolour(scene: Scene, rng: Random, words: Words) -> Change:
    thing, name = _some(scene, rng, words)
    colour = rng.choice([c for c in COLOURS if c not in (thing.colour, thing.second_colour)])
    said = words.colours[colour]
    text = f"把{name}变成{said}" if words.language == "zh" else f"make {name} {said}"
    return text, _swap(scene, thing, replace(thing, colour=colour))


def _repattern(scene: Scene, rng: Random, words: Words) -> Change:
    thing, name = _some(scene, rng, words)
    pattern = rng.choice([p for p in PATTERNS if p != thing.pattern])
    second = None if pattern == "plain" else rng.choice([c for c in COLOURS if c != thing.colour])
    new = replace(thing, pattern=pattern, second_colour=second)
    if words.language == "zh":
        text = f"给{name}加上{words.mark(new)}" if second else f"把{name}变成纯色"
    else:
        text = f"give {name} {words.mark(new)}" if second else f"make {name} plain"
    return text, _swap(scene, thing, new)


def _move(scene: Scene, rng: Random, words: Words) -> Change:
    thing, name = _some(scene, rng, words)
    location = _free_location(scene, rng)
    corner = words.corners[location]
    text = f"把{name}移到{corner}" if words.language == "zh" else f"move {name} to {corner}"
    return text, _swap(scene, thing, replace(thing, location=location, offset="no offset"))


def _resize(scene: Scene, rng: Random, words: Words) -> Change:
    thing, name = _some(scene, rng, words)
    size = rng.choice([s for s in SIZES if s != thing.size])
    said = words.sizes[size]
    text = f"把{name}变成{said}的" if words.language == "zh" else f"make {name} {said}"
    return text, _swap(scene, thing, replace(thing, size=size))


def _remove(scene: Scene, rng: Random, words: Words) -> Change | None:
    if len(scene.things) == 1:
        return None
    thing, name = _some(scene, rng, words)
    text = f"去掉{name}" if words.language == "zh" else f"remove {name}"
    return text, replace(scene, things=tuple(other for other in scene.things if other is not thing))


def _add(scene: Scene, rng: Random, words: Words) -> Change | None:
    if len(scene.things) == MAX_THINGS:
        return None
    colour, second = rng.sample(COLOURS, 2)
    pattern = rng.choice(PATTERNS)
    thing = Thing(
        kind=rng.choice(KINDS),
        colour=colour,
        pattern=pattern,
        second_colour=None if pattern == "plain" else second,
        size=rng.choice(sorted(SIZES)),
        location=_free_location(scene, rng),
        offset="no offset",
        distance=round(rng.uniform(1, 10), 1),
    )
    where, what = words.locations[thing.location], words.phrase(thing)
    text = f"在{where}加{what}" if words.language == "zh" else f"add {what} {where}"
    return text, replace(scene, things=(*scene.things, thing))


def _replace_place(scene: Scene, rng: Random, words: Words) -> Change:
    place = rng.choice([p for p in PLACES if p != scene.place])
    said = words.backgrounds[place]
    text = f"把背景换成{said}" if words.language == "zh" else f"change the background to {said}"
    return text, replace(scene, place=place)


_EDITORS: Final[Mapping[str, Editor]] = MappingProxyType(
    {
        "add": _add,
        "move": _move,
        "place": _replace_place,
        "recolour": _recolour,
        "remove": _remove,
        "repattern": _repattern,
        "resize": _resize,
    }
)

EDIT_KINDS: Final = tuple(sorted(_EDITORS))
