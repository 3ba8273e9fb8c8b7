import pytest

from engines.painting import QUICK, engine
from gesso.core.errors import CanvasError
from gesso.engines.illustrate import Illustrator
from gesso.models.mgm.drawing import NEGATIVE_PROMPT


def test_what_an_answer_asks_for_is_painted() -> None:
    painting = Illustrator(engine()).draw("Here it is. <h> a red fish </h>")
    assert painting is not None
    recipe = painting.recipe
    assert recipe.canvas.background.description == "a red fish"
    assert recipe.canvas.regions == ()
    assert recipe.settings.negative_prompt == NEGATIVE_PROMPT
    assert painting.image.size == recipe.settings.size == QUICK.size
    again = Illustrator(engine()).draw("<h>a red fish</h>")
    assert again is not None
    assert again.recipe.pixels == recipe.pixels


@pytest.mark.parametrize("answer", ["a fish", "<h>a fish", "<h> </h>", "</h><h>"])
def test_other_answers_ask_for_nothing(answer: str) -> None:
    assert Illustrator(engine()).draw(answer) is None


def test_a_prompt_as_long_as_a_book_is_refused() -> None:
    with pytest.raises(CanvasError):
        Illustrator(engine()).draw(f"<h>{'fish ' * 100_000}</h>")
