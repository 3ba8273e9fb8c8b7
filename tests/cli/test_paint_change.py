import pytest

from cli.planners import put_planner
from engines.painting import CANVAS
from engines.planning import canvas, program
from gesso.cli.paint_change import ChangeOptions
from gesso.cli.paint_plan import WishOptions
from gesso.core.errors import UsageError
from gesso.engines.options import LoadOptions

FISH, BOAT = (region.box for region in CANVAS.regions)
MORE = canvas("red fish", "blue boat", "pink cat")


def test_the_canvas_afterwards_is_the_edited_one_or_as_it_was() -> None:
    assert ChangeOptions().canvas_after(CANVAS, WishOptions(), LoadOptions()) == CANVAS
    with pytest.raises(UsageError, match="there is no file"):
        ChangeOptions(canvas="no.py").canvas_after(CANVAS, WishOptions(), LoadOptions())
    with pytest.raises(UsageError, match="--planner is of a planner"):
        ChangeOptions().canvas_after(CANVAS, WishOptions(planner_name="x"), LoadOptions())


def test_a_wish_is_planned_on_the_canvas_before(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = put_planner(monkeypatch, "gesso.cli.plan", program("red fish", "green boat"))
    found = ChangeOptions(wish="a green boat").canvas_after(CANVAS, WishOptions(), LoadOptions())
    assert found == canvas("red fish", "green boat")
    assert writer.asked[0][-2].text == program("red fish", "blue boat", layout="tall")


def test_boxes_are_of_named_regions_and_of_what_came_new() -> None:
    assert ChangeOptions(region=[2, 1]).boxes(CANVAS, CANVAS) == [BOAT, FISH]
    assert ChangeOptions(region=[1]).boxes(CANVAS, MORE) == [FISH, MORE.regions[2].box]
    with pytest.raises(UsageError, match="there is no region 0"):
        ChangeOptions(region=[0]).boxes(CANVAS, CANVAS)


def test_without_names_boxes_are_of_what_changed() -> None:
    assert ChangeOptions().boxes(CANVAS, MORE) == [MORE.regions[2].box]
    for options, told in (
        (ChangeOptions(), "nothing is to change; say --region"),
        (ChangeOptions(canvas="sea.py"), "sea.py is the picture's own canvas"),
        (ChangeOptions(wish="a red boat"), "the planner left the canvas as it is on 'a red boat'"),
    ):
        with pytest.raises(UsageError, match=told):
            options.boxes(CANVAS, CANVAS)
