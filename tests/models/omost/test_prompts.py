from hashlib import sha256

from gesso.canvas.parse import read_canvas
from gesso.core.messages import assistant, system, user
from gesso.models.omost.prompts import GENERAL_PROMPT, SYSTEM_PROMPT, history_messages


def test_the_system_text_is_the_one_the_checkpoints_were_trained_with() -> None:
    digest = "b698e3e5039330be6a3173957191048d89e2aefd09c52fccc6e21d764f03736a"
    assert sha256(SYSTEM_PROMPT.encode()).hexdigest() == digest
    assert len(SYSTEM_PROMPT) == 1269


def test_the_example_for_general_models_is_a_canvas_that_needs_no_correction() -> None:
    assert GENERAL_PROMPT.startswith(SYSTEM_PROMPT)
    reading = read_canvas(GENERAL_PROMPT.rpartition("An example:\n\n")[2], published=True)
    assert reading.corrections == ()
    assert len(reading.canvas.regions) == 1


def test_rows_with_pictures_or_without_words_are_left_out() -> None:
    history = [("a cat", "reply"), (None, ["image.png", "image"]), ("", "b"), ("c", ""), (None, None)]
    assert history_messages(history, "a dog") == [
        system(SYSTEM_PROMPT),
        user("a cat"),
        assistant("reply"),
        user("a dog"),
    ]


def test_the_system_text_can_be_another_or_none() -> None:
    assert history_messages([], "hi", None) == [user("hi")]
    assert history_messages([], "hi", "be brief") == [system("be brief"), user("hi")]
