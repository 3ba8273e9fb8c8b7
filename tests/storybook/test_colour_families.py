from gesso.canvas.colours import COLOURS as HTML_COLOURS
from gesso.storybook.colour_families import COLOUR_FAMILY
from gesso.storybook.scene import COLOURS


def test_every_html_colour_belongs_to_one_storybook_colour() -> None:
    assert set(COLOUR_FAMILY) == set(HTML_COLOURS)
    assert set(COLOUR_FAMILY.values()) == set(COLOURS)


def test_storybook_colours_stand_for_themselves() -> None:
    assert {colour: COLOUR_FAMILY[colour] for colour in COLOURS} == {colour: colour for colour in COLOURS}


def test_families_follow_the_eye() -> None:
    names = ("crimson", "navy", "teal", "tan", "ivory", "silver", "lime", "hotpink", "gold")
    families = ("red", "blue", "turquoise", "brown", "white", "gray", "green", "pink", "yellow")
    assert tuple(COLOUR_FAMILY[name] for name in names) == families
