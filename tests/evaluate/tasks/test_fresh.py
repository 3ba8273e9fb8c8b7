import pytest

from gesso.core.errors import UnknownNameError, UsageError
from gesso.evaluate.tasks.fresh import FRESH_SPLITS, groups, require_fresh, things_in
from gesso.storybook.splits import scene_at


def test_only_what_nobody_learned_from_is_taken() -> None:
    for split in FRESH_SPLITS:
        require_fresh(split)
    with pytest.raises(UsageError, match="'train' is what the minis learned from"):
        require_fresh("train")
    with pytest.raises(UnknownNameError, match="did you mean test"):
        require_fresh("tests")


def test_things_are_counted_in_words() -> None:
    assert things_in(scene_at("test", 0, 0, counts=[1])) == "1 thing"
    assert things_in(scene_at("test", 0, 0, counts=[4])) == "4 things"


def test_groups_keep_the_order_and_the_last_one_may_be_short() -> None:
    assert list(groups(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(groups([], 2)) == []
