"""Pairs of scenes with one subject: as it is known, and as it is wanted in another picture."""

from dataclasses import dataclass, replace
from itertools import count
from random import Random

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.scene import PLACES, SIZES, Scene, Thing
from gesso.storybook.splits import scene_at, split_of
from gesso.storybook.words import words_of

__all__ = ["SubjectPair", "subject_pair", "subject_prompt"]


@dataclass(frozen=True, slots=True)
class SubjectPair:
    """A subject in two scenes of one thing each.

    Attributes:
        reference: how the subject is known.
        target: the same kind, colours and pattern at another place of another world, drawn anew.
        noun: what the subject is called.
        prompt: where it is in the target; kind and place, but neither colour nor pattern.
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
    """Where a thing is: "a cat in the middle at the beach"; its kind and place, but not its looks."""
    words = words_of(language)
    told = (words.a(thing.kind), words.locations[thing.location], words.places[place])
    return "".join((told[2], told[1], told[0])) if language == "zh" else " ".join(told)
