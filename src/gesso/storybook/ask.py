"""Questions about storybook scenes, alone and as conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from gesso.core.errors import UnknownNameError, UsageError
from gesso.storybook.ask_makers import MAKERS, Asker, Draft
from gesso.storybook.questions import WORDINGS
from gesso.storybook.refer import reference
from gesso.storybook.scene import Scene
from gesso.storybook.tell import describe
from gesso.storybook.words import words_of

__all__ = [
    "QUESTION_KINDS",
    "REASONING_KINDS",
    "STYLES",
    "Question",
    "conversation",
    "questions",
    "sign_questions",
]

STYLES: Final = ("conversation", "detail", "reasoning")
"""The three kinds of conversation of LLaVA's instruction data (arXiv 2304.08485, section 3)."""

QUESTION_KINDS: Final = tuple(sorted(MAKERS))
# what cannot be read off one thing alone
REASONING_KINDS: Final = ("compare", "count_colour", "count_pattern", "reasoning", "relation")

PATIENCE: Final = 12  # rounds without any new question before a scene counts as asked out


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer; `kind` is one of `QUESTION_KINDS`, "sign" or "detail"."""

    kind: str
    question: str
    answer: str


def questions(
    scene: Scene,
    rng: Random,
    count: int,
    language: str = "en",
    kinds: Sequence[str] | None = None,
) -> list[Question]:
    """Ask different questions, their kinds spread as evenly as the scene allows.

    Args:
        scene: what to ask about.
        rng: source of all choices.
        count: how many; a scene with little in it may give fewer.
        language: "en" or "zh".
        kinds: the kinds to ask, all of `QUESTION_KINDS` by default.
    """
    if count < 1:
        raise UsageError(f"{count} questions asked for; ask for at least one")
    order = list(QUESTION_KINDS if kinds is None else kinds)
    for kind in order:
        if kind not in MAKERS:
            raise UnknownNameError("question kind", kind, QUESTION_KINDS)
    asker = Asker(scene, rng, words_of(language))
    # by what is asked, not by its wording: the same question in other words is no new one
    drafts: dict[Draft, str] = {}
    idle = 0
    while len(drafts) < count and idle < PATIENCE:
        before = len(drafts)
        _ask_round(asker, order, drafts, count)
        idle = 0 if len(drafts) > before else idle + 1
    return [Question(kind, _worded(asker, draft), draft.answer) for draft, kind in drafts.items()]


def _ask_round(asker: Asker, order: list[str], drafts: dict[Draft, str], count: int) -> None:
    """Add at most one new question of every kind."""
    # a new order each round: `count` is often reached in mid-round, and not always at the same kinds' cost
    asker.rng.shuffle(order)
    for kind in order:
        if len(drafts) == count:
            return
        # None where the scene has nothing of this kind to ask
        draft = MAKERS[kind](asker)
        if draft is not None:
            drafts.setdefault(draft, kind)


def conversation(scene: Scene, rng: Random, style: str, language: str = "en") -> list[Question]:
    """A conversation of one of the LLaVA `STYLES`.

    "conversation" has 3-6 short questions, "detail" one request for a full description, "reasoning" 2-4
    questions that count, compare or relate things.
    """
    if style == "conversation":
        return questions(scene, rng, rng.randint(3, 6), language)
    if style == "reasoning":
        return questions(scene, rng, rng.randint(2, 4), language, REASONING_KINDS)
    if style == "detail":
        text = describe(scene, language)
        return [Question("detail", rng.choice(WORDINGS[language]["detail"]), text)]
    raise UnknownNameError("conversation style", style, STYLES)


def sign_questions(scene: Scene, language: str = "en", rng: Random | None = None) -> list[Question]:
    """One question of kind "sign" for every sign, in reading order.

    Args:
        scene: what to ask about.
        language: "en" or "zh".
        rng: chooses the wording of each; None takes the first.
    """
    wordings = WORDINGS[words_of(language).language]["sign"]
    asked = []
    for thing in scene.reading_order:
        if thing.sign:
            wording = rng.choice(wordings) if rng else wordings[0]
            named = wording.format(thing=reference(scene, thing, language))
            asked.append(Question("sign", named, thing.sign))
    return asked


def _worded(asker: Asker, draft: Draft) -> str:
    wording = asker.rng.choice(WORDINGS[asker.words.language][draft.form])
    return wording.format(**dict(draft.gaps))
