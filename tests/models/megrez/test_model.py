import pytest
import torch

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Video, assistant, user
from gesso.core.sampling import Sampling
from gesso.engines.chat import Chat
from gesso.models.megrez.convert import load_megrez
from models.megrez import originals

QUESTION = {
    "role": "user",
    "content": {"image": originals.PICTURE, "audio": originals.sound(0.3), "text": "?"},
}


def test_chat_answers_without_the_end_token(chat) -> None:
    answer = chat.chat([QUESTION], sampling=False, max_new_tokens=6)
    assert isinstance(answer, str)
    assert "<|turn_end|>" not in answer
    assert answer == chat.chat([QUESTION], max_new_tokens=6)
    message = user(Image(originals.PICTURE), Audio(originals.sound(0.3)), "?")
    assert answer == chat.chat([message], max_new_tokens=6)


def test_sampling_changes_what_is_said_and_a_penalty_warns_of_nothing(chat) -> None:
    torch.manual_seed(1)
    plain = chat.chat([QUESTION], max_new_tokens=30)
    assert chat.chat([QUESTION], sampling=True, temperature=5.0, max_new_tokens=30) != plain
    # transformers warns that the prompt does not count, and here warnings are errors
    assert chat.chat([QUESTION], repetition_penalty=1.2, max_new_tokens=9)


def test_what_cannot_be_answered_is_refused(chat) -> None:
    with pytest.raises(UsageError, match="max_new_tokens is 0"):
        chat.chat([QUESTION], max_new_tokens=0)
    with pytest.raises(UnsupportedError, match="Video in a message of the user; this model takes Text"):
        chat.chat([user(Video("a.mp4"))])


def test_the_engine_says_the_same_as_transformers(chat) -> None:
    message = user(Image(originals.PICTURE), Audio(originals.sound(0.3)), "?")
    engine = Chat(chat, chat.processor)
    answer = engine.chat([message], Sampling(max_new_tokens=8, temperature=0))
    assert answer.text == chat.chat([message], max_new_tokens=8)


def test_a_second_turn_with_another_sound_is_the_same_with_and_without_memory(chat) -> None:
    sampling = Sampling(max_new_tokens=6, temperature=0)
    engine = Chat(chat, chat.processor)
    first = [user(Image(originals.PICTURE), Audio(originals.sound(0.3)), "?")]
    reply = engine.chat(first, sampling).text
    second = [*first, assistant(reply), user(Audio(originals.sound(0.6, 500)), "And this?")]
    assert engine.chat(second, sampling) == Chat(chat, chat.processor).chat(second, sampling)


def test_every_trained_parameter_belongs_to_one_part(chat) -> None:
    parts = chat.parts
    assert set(parts) == {"vision", "projector", "audio", "audio_projector", "language"}
    owned = [id(weight) for part in parts.values() for weight in part.parameters()]
    assert len(owned) == len(set(owned))
    others = {name for name, weight in chat.module.named_parameters() if id(weight) not in owned}
    assert others == {"audio.positions"}


def test_a_batch_learns_with_every_part(chat) -> None:
    messages = [user(Image(originals.PICTURE), Audio(originals.sound(0.3)), "?"), assistant("Yes.")]
    group = chat.processor.encode_group([messages, [user("Hi"), assistant("Hello!")]])
    embeddings, labels, mask = chat.embed_batch(group)
    assert embeddings.shape[:2] == labels.shape == mask.shape
    chat.module(inputs_embeds=embeddings, attention_mask=mask, labels=labels).loss.backward()
    for part in chat.parts.values():
        assert any(weight.grad is not None and weight.grad.any() for weight in part.parameters())
    chat.module.zero_grad(set_to_none=True)


def test_a_saved_folder_says_the_same(chat, tmp_path) -> None:
    chat.save_pretrained(tmp_path)
    again = load_megrez(tmp_path)
    again.module.eval()
    assert again.settings == chat.settings
    assert again.chat([QUESTION], max_new_tokens=8) == chat.chat([QUESTION], max_new_tokens=8)
