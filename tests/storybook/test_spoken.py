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
