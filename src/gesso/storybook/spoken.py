"""What is said about storybook scenes: questions, and wishes or descriptions to be written down."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from gesso.storybook.ask import questions
from gesso.storybook.scene import Scene
from gesso.storybook.tell import describe
from gesso.storybook.wish import wish

__all__ = ["Utterance", "spoken_texts"]

TOLD: Final = 2
"""Most things of what is said to be written down."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something said.

    Attributes:
        text: its words.
        answer: what answers it, if it is a question about its scene.
        language: "en" or "zh".
        samples: its length in samples at 16 kHz.
    """

    text: str
    answer: str | None
    language: str
    samples: int = 0


def spoken_texts(scene: Scene, rng: Random, language: str, count: int, told: int = 1) -> list[Utterance]:
    """What is said about a scene: questions, and wishes or descriptions of some of its things.

    Args:
        scene: what it is about.
        rng: source of all choices.
        language: "en" or "zh".
        count: most questions.
        told: wishes and descriptions.
    """
    asked = [Utterance(q.question, q.answer, language) for q in questions(scene, rng, count, language)]
    return [*asked, *(Utterance(_told(scene, rng, language), None, language) for _ in range(told))]


def _told(scene: Scene, rng: Random, language: str) -> str:
    """A wish or a description of one or two of the things of a scene."""
    # signs are spelled, not spoken; few things, so that it takes no longer than a few questions
    things = tuple(
        replace(thing, sign=None) for thing in rng.sample(scene.things, min(TOLD, len(scene.things)))
    )
    part = replace(scene, things=things[: rng.randint(1, TOLD)])
    return wish(part, rng, language).text if rng.random() < 0.5 else describe(part, language)
