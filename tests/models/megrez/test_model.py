import pytest
import torch

from gesso.core.errors import MediaError, UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Video, assistant, user
from gesso.core.sampling import Sampling
from gesso.engines.chat import Chat
from gesso.models.megrez.contents import as_messages
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
    with pytest.raises(UsageError, match="roles in this order: none; allowed"):
        chat.chat([])
    for field, error in (("image", "no-such.png"), ("audio", "no-such.wav")):
        with pytest.raises(MediaError, match=error):
            chat.chat([{"role": "user", "content": {field: error}}])


def test_a_conversation_without_room_for_an_answer_is_refused(chat) -> None:
    with pytest.raises(UsageError, match=r"positions|longest|too long|room"):
        chat.chat([{"role": "user", "content": "word " * 9000}])


def test_what_the_demo_passes_is_taken(chat) -> None:
    """Keys and values of the original's web demo."""
    demo = {"do_sample": True, "num_beams": 1, "top_p": 0.8, "top_k": 100, "temperature": 0.7}
    asked = {**demo, "repetition_penalty": 1.2, "max_new_tokens": 9}
    torch.manual_seed(3)
    said = chat.chat([QUESTION], sampling=True, **asked)
    torch.manual_seed(3)
    # these are what sampling takes by itself
    assert said == chat.chat([QUESTION], True, repetition_penalty=1.2, max_new_tokens=9)
    torch.manual_seed(3)
    assert said == chat.chat([QUESTION], **asked)


def test_every_setting_reaches_generation(chat, monkeypatch) -> None:
    seen = []

    def generate(**given):
        seen.append(given["generation_config"])
        return torch.tensor([[5]])

    monkeypatch.setattr(chat.module, "generate", generate)
    chat.chat([QUESTION], True, temperature=0.5, top_p=0.6, top_k=7, max_new_tokens=8, repetition_penalty=1.3)
    chat.chat([QUESTION], num_beams=3, repetition_penalty=1.2)
    drawn, beams = seen
    assert (drawn.do_sample, drawn.temperature, drawn.top_p, drawn.top_k) == (True, 0.5, 0.6, 7)
    assert (drawn.max_new_tokens, drawn.repetition_penalty, drawn.num_beams) == (8, 1.3, 1)
    assert (beams.do_sample, beams.num_beams, beams.repetition_penalty) == (False, 3, 1.2)
    assert beams.max_new_tokens == min(1024, chat.settings.max_length - len(chat.embed(
        chat.processor.encode(as_messages([QUESTION])))))  # fmt: skip


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
