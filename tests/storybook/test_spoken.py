from random import Random

from gesso.storybook.splits import scene_at
from gesso.storybook.spoken import spoken_texts


def test_questions_have_answers_and_what_is_told_has_none() -> None:
    for number in range(20):
        scene = scene_at("train", 1, number)
        said = spoken_texts(scene, Random(number), "en", 3)
        assert all(each.answer for each in said[:-1])
        assert said[-1].answer is None
        assert 1 <= len(said) - 1 <= 3
        # signs are spelled, which no one would understand
        assert "sign" not in said[-1].text
        assert said == spoken_texts(scene, Random(number), "en", 3)


def test_several_things_are_told_each_in_words_of_its_own() -> None:
    said = spoken_texts(scene_at("train", 1, 3, counts=range(4, 5)), Random(3), "en", 2, told=5)
    told = [each.text for each in said if each.answer is None]
    assert len(told) == len(set(told)) == 5
    assert len(said) == 7
