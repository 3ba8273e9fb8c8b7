import pytest

from gesso.canvas.notes import NOTE, note_of
from gesso.config.schema import DataSettings
from gesso.storybook.splits import scene_at
from gesso.train.lookups import REQUESTS, StorybookLookups
from gesso.train.plans import plan_source


@pytest.mark.parametrize("chinese", [0.0, 1.0])
def test_each_request_is_answered_by_a_thing_and_its_place(chinese: float) -> None:
    data = DataSettings(source="storybook-lookups", chinese=chinese, seed=4)
    source = plan_source(data)
    assert isinstance(source, StorybookLookups)
    answered = 0
    for example in range(20):
        messages = source.messages(example, 0)
        assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        places = {thing.location for thing in scene_at("train", 4, example).things}
        assert all(place in note_of(messages[1].text) for place in places)
        for reply in messages[3::2]:
            assert reply.text.startswith(NOTE)
            assert reply.text.count("\n") == 1
            assert reply.text.rstrip().endswith(tuple(places))
            answered += 1
    assert 20 < answered <= 20 * REQUESTS


def test_a_scene_comes_round_in_other_words() -> None:
    source = StorybookLookups(DataSettings(source="storybook-lookups"))
    assert source.messages(0, 0) == source.messages(0, 0) != source.messages(0, 1)
