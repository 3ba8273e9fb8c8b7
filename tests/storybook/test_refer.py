from random import Random

from gesso.storybook.refer import reference, references
from gesso.storybook.scene import Scene, Thing


def _thing(kind: str, colour: str, location: str) -> Thing:
    return Thing(kind, colour, "plain", None, "small", location, "no offset", 1.0)


DOG = _thing("dog", "red", "on the left")
RED = _thing("cat", "red", "on the top")
BLUE = _thing("cat", "blue", "on the bottom")
BLUE_TOO = _thing("cat", "blue", "on the right")
SCENE = Scene(0, "sea", (DOG, RED, BLUE, BLUE_TOO))


def test_the_shortest_unambiguous_name_is_used() -> None:
    assert reference(SCENE, DOG, "en") == "the dog"
    assert reference(SCENE, RED, "en") == "the red cat"
    assert reference(SCENE, BLUE, "en") == "the cat at the bottom"
    assert [reference(SCENE, thing, "zh") for thing in (DOG, RED, BLUE)] == ["狗", "红色的猫", "下方的猫"]


def test_names_do_not_tell_what_they_must_not() -> None:
    assert reference(SCENE, RED, "en", colour=False) == "the cat at the top"
    assert reference(SCENE, BLUE, "en", location=False) is None
    assert reference(SCENE, RED, "en", colour=False, location=False) is None


def test_references_leave_out_what_has_no_name() -> None:
    named = references(SCENE, Random(0), "en", location=False)
    assert sorted(name for _, name in named) == ["the dog", "the red cat"]
    assert all(reference(SCENE, thing, "en") == name for thing, name in named)
