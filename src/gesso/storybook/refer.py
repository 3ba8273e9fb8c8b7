"""Referring to one thing of a scene so that nothing else can be meant."""

from random import Random

from gesso.storybook.scene import Scene, Thing
from gesso.storybook.words import words_of

__all__ = ["reference", "references"]


def reference(
    scene: Scene, thing: Thing, language: str, *, colour: bool = True, location: bool = True
) -> str | None:
    """The shortest unambiguous name: "the cat", "the red cat" or "the cat at the top left".

    Args:
        scene: the scene the thing is in.
        thing: what to name.
        language: "en" or "zh".
        colour: whether the name may tell its colour.
        location: whether the name may tell where it is.

    Returns:
        The name, or None where all names allowed are ambiguous.
    """
    words = words_of(language)
    noun = words.kinds[thing.kind]
    alike = [other for other in scene.things if other.kind == thing.kind]
    # colour before location: "the red cat" is what people say
    if len(alike) == 1:
        return noun if language == "zh" else f"the {noun}"
    if colour and sum(other.colour == thing.colour for other in alike) == 1:
        hue = words.colours[thing.colour]
        return f"{hue}的{noun}" if language == "zh" else f"the {hue} {noun}"
    if location:
        where = words.locations[thing.location]
        return f"{where}的{noun}" if language == "zh" else f"the {noun} {where}"
    return None


def references(
    scene: Scene, rng: Random, language: str, *, colour: bool = True, location: bool = True
) -> list[tuple[Thing, str]]:
    """All things that have a name with their names, in random order; arguments as in `reference`."""
    named = [
        (thing, name)
        for thing in scene.things
        if (name := reference(scene, thing, language, colour=colour, location=location))
    ]
    rng.shuffle(named)
    return named
