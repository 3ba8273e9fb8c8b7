import pytest
import torch

import tiny
from gesso.core.errors import UnsupportedError
from gesso.core.messages import Audio, Image, user
from gesso.engines.text_chat import TextChat, TextProcessor
from gesso.models.base import Encoded


def test_embeddings_are_the_language_models_own() -> None:
    chat = TextChat(tiny.llama())
    rows = chat.embed(Encoded((5, 7), (False, False)))
    assert torch.equal(rows, chat.language_model.get_input_embeddings().weight[[5, 7]])
    assert chat.module is chat.language_model


@pytest.mark.parametrize("part", [Image(0.5), Audio(b"")])
def test_all_but_text_is_refused_by_name(part: Image | Audio) -> None:
    processor = TextProcessor(tiny.TinyProcessor())
    with pytest.raises(UnsupportedError, match=f"{type(part).__name__} for a model that reads text alone"):
        processor.encode([user(part, "what is this?")])
    assert processor.encode([user("hi")]) == tiny.TinyProcessor().encode([user("hi")])
