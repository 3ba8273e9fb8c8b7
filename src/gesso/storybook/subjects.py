"""Subjects of scenes: as each is known from a picture of its own, and as it is wanted in another picture."""

from dataclasses import dataclass, replace
from itertools import count
from random import Random

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.scene import PLACES, SIZES, Scene, Thing
from gesso.storybook.splits import NOVEL_PAIRS, scene_at, split_of
from gesso.storybook.tell import opening
from gesso.storybook.words import words_of

__all__ = ["SubjectGroup", "SubjectPair", "looks", "subject_group", "subject_pair", "subject_prompt"]

GROUPS = (2, 3)
"""How many subjects a picture of several has."""


@dataclass(frozen=True, slots=True)
class SubjectPair:
    """A subject in two scenes of one thing each.

    Attributes:
        reference: how the subject is known.
        target: the same kind, colours and pattern at another place of another world, drawn anew.
        noun: what the subject is called.
        prompt: where it is in the target; kind, size and place, but neither colour nor pattern.
    """

    reference: Scene
    target: Scene
    noun: str
    prompt: str

    @property
    def subject(self) -> Thing:
        """The subject as it is in the target."""
        return self.target.things[0]


def subject_pair(split: str, seed: int, number: int, language: str = "en") -> SubjectPair:
    """Pair `number` of a stream, both of whose scenes belong to a split; the same for the same arguments."""
    reference = scene_at(split, seed, number, counts=(1,), sign_rate=0)
    for attempt in count():
        rng = Random(f"{split}/{seed}/{number}/{attempt}")
        thing = replace(
            reference.things[0],
            location=rng.choice(sorted(LOCATIONS)),
            offset="no offset",
            size=rng.choice(sorted(SIZES)),
        )
        place = rng.choice([each for each in PLACES if each != reference.place])
        target = Scene(rng.getrandbits(48), place, (thing,))
        if split_of(target) == split:
            break
    noun = words_of(language).kinds[reference.things[0].kind]
    return SubjectPair(reference, target, noun, subject_prompt(target.things[0], place, language))


def subject_prompt(thing: Thing, place: str, language: str = "en") -> str:
    """What is where, but not how it looks.

    "At the beach there is one thing. In the middle is a large cat." In the words of `describe`, of which the
    painters' text encoder knows what tells a place and a location. A picture of unknown size is a guess.
    """
    words = words_of(language)
    where, size, name = words.locations[thing.location], words.sizes[thing.size], words.kinds[thing.kind]
    if language == "zh":
        return f"{opening(words, place, 1)}{where}是{words.counters[thing.kind]}{size}{name}。"
    return f"{opening(words, place, 1)} {where.capitalize()} is a {size} {name}."


@dataclass(frozen=True, slots=True)
class SubjectGroup:
    """Several subjects that are to stand in one picture, no two of which look alike.

    Attributes:
        target: the picture wanted.
        references: how each of its things, in reading order, is known: a scene of this thing alone.
    """

    target: Scene
    references: tuple[Scene, ...]

    @property
    def subjects(self) -> tuple[Thing, ...]:
        """The subjects as they are in the target, in reading order."""
        return self.target.reading_order


def subject_group(split: str, seed: int, number: int) -> SubjectGroup:
    """Group `number` of a stream, whose target belongs to a split; the same for the same arguments.

    References are of the same split; of a target of novel pairs, things of known pairs are from "test".
    """
    for attempt in count():
        target = scene_at(split, seed, _number(number, attempt), counts=GROUPS, sign_rate=0)
        if len({looks(thing) for thing in target.things}) == len(target.things):
            break
    known = [_alone(thing, split, f"{split}/{seed}/{number}/{place}")
             for place, thing in enumerate(target.reading_order)]  # fmt: skip
    return SubjectGroup(target, tuple(known))


def looks(thing: Thing) -> tuple[str, str, str, str | None]:
    """What a subject is known by: kind, colour, pattern and the colour of that."""
    return thing.kind, thing.colour, thing.pattern, thing.second_colour


def _number(number: int, attempt: int) -> int:
    """Place in the stream of scenes: attempts of one group meet those of no other below a million."""
    return number + 1_000_000 * attempt


def _alone(thing: Thing, split: str, stream: str) -> Scene:
    """A scene of a split with nothing but this subject, somewhere else and in another size."""
    wanted = "test" if split == "novel" and (thing.kind, thing.colour) not in NOVEL_PAIRS else split
    for attempt in count():
        rng = Random(f"{stream}/{attempt}")
        place = rng.choice(PLACES)
        moved = replace(
            thing,
            location=rng.choice([each for each in sorted(LOCATIONS) if each != thing.location]),
            offset="no offset",
            size=rng.choice(sorted(SIZES)),
        )
        scene = Scene(rng.getrandbits(48), place, (moved,))
        if split_of(scene) == wanted:
            break
    return scene
