from collections import Counter
from itertools import islice
from random import Random

import pytest

from gesso.core.errors import UnknownNameError, UsageError
from gesso.storybook.ask import (
    QUESTION_KINDS,
    REASONING_KINDS,
    STYLES,
    Question,
    conversation,
    questions,
    sign_questions,
)
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scenes
from gesso.storybook.tell import describe
from gesso.storybook.words import LANGUAGES

SCENES = list(islice(scenes("train", 11), 200))


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_differ_and_spread_over_the_kinds(language: str) -> None:
    for scene in SCENES[:100]:
        asked = questions(scene, Random(1), 20, language)
        assert len(asked) == 20
        assert len({(q.question, q.kind) for q in asked}) == 20
        numbers = Counter(q.kind for q in questions(scene, Random(1), 9, language))
        assert max(numbers.values()) == 1  # nine kinds can be asked of every scene


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_are_short(language: str) -> None:
    for scene in SCENES:
        for q in questions(scene, Random(2), 14, language):
            assert 1 <= len(q.answer.split()) <= 5
            assert q.answer == q.answer.lower().rstrip(".。")
            assert "{" not in q.question + q.answer
            assert "None" not in q.question


def test_every_kind_is_asked() -> None:
    assert {q.kind for scene in SCENES for q in questions(scene, Random(3), 14)} == set(QUESTION_KINDS)
    assert tuple(sorted(QUESTION_KINDS)) == QUESTION_KINDS
    assert set(REASONING_KINDS) < set(QUESTION_KINDS)


def test_conversations_of_the_three_styles() -> None:
    scene = SCENES[3]
    assert 3 <= len(conversation(scene, Random(1), "conversation")) <= 6
    (detail,) = conversation(scene, Random(1), "detail", "zh")
    assert (detail.kind, detail.answer) == ("detail", describe(scene, "zh"))
    assert {q.kind for q in conversation(scene, Random(1), "reasoning")} <= set(REASONING_KINDS)
    for style in STYLES:
        assert conversation(scene, Random(9), style) == conversation(scene, Random(9), style)


def test_signs_are_asked_for_one_by_one() -> None:
    cat = Thing("cat", "red", "plain", None, "small", "on the left", "no offset", 2.0, "AB1")
    dog = Thing("dog", "red", "plain", None, "small", "on the top", "no offset", 2.0)
    scene = Scene(1, "sea", (cat, dog))
    assert sign_questions(scene) == [Question("sign", "What does the sign of the cat say?", "AB1")]
    assert sign_questions(scene, "zh") == [Question("sign", "猫的牌子上写着什么？", "AB1")]


def test_refusals() -> None:
    scene, rng = SCENES[0], Random(0)
    with pytest.raises(UsageError, match="0 questions asked for"):
        questions(scene, rng, 0)
    with pytest.raises(UnknownNameError, match="unknown question kind 'color'; did you mean colour"):
        questions(scene, rng, 1, kinds=["color"])
    with pytest.raises(UnknownNameError, match="unknown language 'fr'"):
        questions(scene, rng, 1, "fr")
    with pytest.raises(UnknownNameError, match="unknown conversation style 'chat'"):
        conversation(scene, rng, "chat")
    with pytest.raises(UnknownNameError, match="unknown language 'fr'"):
        conversation(scene, rng, "detail", "fr")
