import pytest

from gesso.storybook.splits import NOVEL_PAIRS, split_of
from gesso.storybook.subjects import subject_pair


@pytest.mark.parametrize("split", ["train", "test", "novel"])
def test_pairs_show_one_subject_in_two_worlds(split):
    for number in range(12):
        pair = subject_pair(split, 3, number)
        assert pair == subject_pair(split, 3, number)
        (known,), (wanted,) = pair.reference.things, pair.target.things
        assert pair.subject == wanted
        for fact in ("kind", "colour", "pattern", "second_colour"):
            assert getattr(known, fact) == getattr(wanted, fact)
        assert pair.reference.place != pair.target.place
        assert pair.reference.seed != pair.target.seed
        assert split_of(pair.reference) == split_of(pair.target) == split
        assert ((wanted.kind, wanted.colour) in NOVEL_PAIRS) == (split == "novel")


def test_prompts_tell_kind_and_place_and_nothing_of_the_looks():
    for number in range(20):
        pair = subject_pair("train", 0, number)
        assert pair.noun in pair.prompt
        assert pair.subject.colour not in pair.prompt.split()
        assert pair.subject.pattern not in pair.prompt.split()
    pair = subject_pair("train", 0, 0, "zh")
    assert pair.noun in pair.prompt
    assert not pair.prompt.isascii()
