from collections.abc import Sequence
from itertools import count, islice
from threading import Event

import pytest

import tiny
from gesso.core.errors import UsageError
from gesso.core.messages import Image, Message, Text, assistant, user
from gesso.core.sampling import Sampling
from gesso.engines.chat import Chat
from gesso.models.base import IMAGE_INDEX

SHORT = Sampling(max_new_tokens=12)


@pytest.fixture
def chat() -> Chat:
    return Chat(tiny.TinyChat(), tiny.TinyProcessor())


def _fresh(messages: Sequence[Message], sampling: Sampling = SHORT) -> str:
    return Chat(tiny.TinyChat(), tiny.TinyProcessor()).chat(messages, sampling).text


def _embedded(chat: Chat) -> list[int]:
    """All ids embedded since the last call."""
    ids = [token for encoded in chat.model.embedded for token in encoded.ids]
    chat.model.embedded.clear()
    return ids


def test_the_second_turn_reads_only_what_is_new(chat: Chat) -> None:
    first = [user(Image(0.5), "what is this?")]
    reply = chat.chat(first, SHORT).text
    assert _embedded(chat).count(IMAGE_INDEX) == 1
    second = [*first, assistant(reply), user("how many?")]
    text = chat.chat(second, SHORT).text
    read = chat.processor.encode(first).ids
    assert _embedded(chat) == list(chat.processor.encode(second).ids[len(read) :])
    assert text == _fresh(second)


def test_usage_counts_the_whole_prompt_also_when_most_of_it_was_held(chat: Chat) -> None:
    messages = [user(Image(0.5), "what is this?")]
    first, again = chat.chat(messages, SHORT), chat.chat(messages, SHORT)
    assert len(_embedded(chat)) == len(chat.processor.encode(messages).ids) + 1
    assert again == first
    positions = len(chat.processor.encode(messages).ids) - 1 + tiny.IMAGE_POSITIONS
    assert again.usage.prompt_tokens == positions


def test_another_picture_in_the_same_place_is_read_anew(chat: Chat) -> None:
    messages = [user(Image(0.5), "and ", Image(0.1), "what is this?")]
    chat.chat(messages, SHORT)
    _embedded(chat)
    other = [user(Image(0.5), "and ", Image(-0.9), "what is this?")]
    text = chat.chat(other, SHORT).text
    assert _embedded(chat).count(IMAGE_INDEX) == 1
    assert text == _fresh(other) != _fresh(messages)


def test_a_picture_may_end_the_prompt_or_stand_beside_another(chat: Chat) -> None:
    for parts in ([Image(0.2), Image(0.4)], [Text("a"), Image(0.2)], [Image(0.3), Text("b"), Image(0.2)]):
        messages = [Message("user", tuple(parts))]
        assert chat.chat(messages, SHORT).text == _fresh(messages)


def test_an_edited_turn_goes_back_to_where_it_differs(chat: Chat) -> None:
    long = [user("one"), assistant("two"), user("three")]
    chat.chat(long, SHORT)
    edited = [user("one"), assistant("no"), user("four")]
    assert chat.chat(edited, SHORT).text == _fresh(edited)
    assert chat.chat(edited[:1], SHORT).text == _fresh(edited[:1])


def test_two_streams_at_once_do_not_disturb_each_other(chat: Chat) -> None:
    one, two = [user(Image(0.5), "what?")], [user("how many birds?")]
    first = chat.stream(one, SHORT)
    text = next(first)
    second = chat.stream(two, SHORT)
    pieces = [next(second), *first, *second]
    assert first.answer.text == _fresh(one)
    assert second.answer.text == _fresh(two)
    assert text
    assert pieces


def test_an_abandoned_stream_leaves_the_prompt_for_the_next(chat: Chat) -> None:
    messages = [user(Image(0.5), "what is this?")]
    stream = chat.stream(messages, SHORT)
    assert list(islice(stream, 1))
    stream.close()
    _embedded(chat)
    assert chat.chat(messages, SHORT).text == _fresh(messages)
    assert _embedded(chat).count(IMAGE_INDEX) == 0
    with pytest.raises(UsageError, match="closed before"):
        _ = stream.answer


@pytest.mark.parametrize("pass_number", [1, 3])
def test_an_interrupt_within_a_forward_pass_leaves_nothing_wrong_behind(chat: Chat, pass_number: int) -> None:
    passes = count(1)

    def press(*_: object) -> None:
        if next(passes) == pass_number:
            raise KeyboardInterrupt

    layers = chat.model.language_model.get_decoder().layers
    hook = layers[1].register_forward_pre_hook(press)  # the first layer has its new positions by then
    messages = [user(Image(0.5), "what is this?")]
    with pytest.raises(KeyboardInterrupt):
        chat.chat(messages, SHORT)
    hook.remove()
    assert chat.chat(messages, SHORT).text == _fresh(messages)


def test_stream_pieces_join_to_the_answer(chat: Chat) -> None:
    stream = chat.stream([user("tell me")], SHORT)
    pieces = list(stream)
    assert len(pieces) > 1
    assert stream.answer.text == "".join(pieces) == _fresh([user("tell me")])


def test_cancelling_ends_the_answer(chat: Chat) -> None:
    stop = Event()
    stream = chat.stream([user("tell me")], Sampling(max_new_tokens=200), cancelled=stop.is_set)
    next(stream)
    stop.set()
    assert stream.answer.finish_reason == "cancelled"


def test_a_batch_says_what_each_conversation_says_alone() -> None:
    chat = Chat(tiny.TinyChat(), tiny.TinyProcessor(), max_batch=2)
    conversations = [[user(Image(0.1 * i), f"question {i}")] for i in range(5)]
    answers = chat.batch(conversations, SHORT)
    assert [answer.text for answer in answers] == [_fresh(messages) for messages in conversations]


def test_beams_need_no_cache_and_leave_it_alone(chat: Chat) -> None:
    messages = [user(Image(0.5), "what is this?")]
    chat.chat(messages, SHORT)
    beams = Sampling(max_new_tokens=6, num_beams=3)
    assert chat.chat(messages, beams).text == _fresh(messages, beams)
    _embedded(chat)
    chat.chat(messages, SHORT)
    assert len(_embedded(chat)) == 1


def test_the_template_stop_text_ends_every_answer() -> None:
    whole = _fresh([user("tell me")])
    stop = whole[3:6]
    chat = Chat(tiny.TinyChat(), tiny.TinyProcessor(), stop=(stop,))
    assert chat.chat([user("tell me")], SHORT).text == whole.partition(stop)[0]
    assert chat.batch([[user("tell me")]], SHORT)[0].text == whole.partition(stop)[0]


def test_the_answer_may_fill_the_context_and_no_more() -> None:
    chat = Chat(tiny.TinyChat(positions=40), tiny.TinyProcessor())
    answer = chat.chat([user("hello")], Sampling(max_new_tokens=500, stop=("\x00",)))
    assert answer.usage.total_tokens <= 40
    with pytest.raises(UsageError, match="positions, but the model holds 40"):
        chat.chat([user("a long question " * 10)], SHORT)
    with pytest.raises(UsageError, match="holds 40"):
        chat.batch([[user("a long question " * 10)]], SHORT)
