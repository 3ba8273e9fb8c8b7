import pytest

from gesso.models.mgm.drawing import asked_to_draw, drawing_prompt, with_read_text


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        ("Here. <h> a red fox </h>", " a red fox "),
        ("<h>first</h> and <h>second</h>", "second"),
        ("no picture", None),
        ("only <h> an opening", None),
        ("</h> odd <h> order", None),
        ("<h> </h>", None),
    ],
)
def test_the_last_prompt_of_an_answer_counts(answer, prompt):
    assert drawing_prompt(answer) == prompt


def test_a_request_ends_with_its_marker():
    assert asked_to_draw("Draw a fox.") == "Draw a fox. <GEN>"


def test_lines_read_with_confidence_follow_the_text():
    lines = [("EXIT", 0.9), ("blur", 0.1), ("Platform 9", 0.11)]
    assert with_read_text("Where?", lines) == "Where?\nReference OCR Token: EXIT, Platform 9\n"
    assert with_read_text("Where?", [("blur", 0.1)]) == "Where?"
