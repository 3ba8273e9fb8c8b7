import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from gesso.core.messages import assistant, user
from gesso.models.clip import as_clip_inputs
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scene_at
from gesso.storybook.tell import caption, describe
from gesso.train.texts import SPECIAL, clip_tokenizer, text_conversations, train_tokenizer


def test_special_tokens_come_first_and_stay_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_ids_to_tokens(list(range(len(SPECIAL)))) == list(SPECIAL)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "<pad>")
    assert tokenizer.image_token == "<image>"
    assert len(tokenizer) == 400
    assert tokenizer("a</s>")["input_ids"][-1] == tokenizer.eos_token_id


@given(text=st.text(max_size=40))
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_storybook_texts_begin_with_the_start_token_and_come_back(
    tokenizer: PreTrainedTokenizerFast, language: str
) -> None:
    scene = scene_at("train", 9, 0)
    for text in (caption(scene, language), describe(scene, language), canvas_program(scene, language)):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids[1:]) == text


def pieces(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    """What a text is split into before any merging."""
    split = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
    return [piece.replace("Ġ", " ") for piece, _ in split]


def test_words_keep_their_blank_and_digits_stand_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    assert pieces(tokenizer, "USER: Two fish, 12.") == ["USER", ":", " Two", " fish", ",", " ", "1", "2", "."]
    assert pieces(tokenizer, "AB1") == ["A", "B", "1"]
    assert pieces(tokenizer, " ASSISTANT: Hi") == [" ASSISTANT", ":", " Hi"]


def test_capitals_stand_alone_in_quotes_but_not_behind_a_blank(tokenizer: PreTrainedTokenizerFast) -> None:
    assert pieces(tokenizer, 'says "OK"') == ["says", " ", '"', "O", "K", '"']
    assert pieces(tokenizer, "ASSISTANT: OK")[2:] == [" OK"]


def test_training_is_repeatable() -> None:
    first, second, other = (train_tokenizer(300, seed=seed, count=3).get_vocab() for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_clip_inputs_begin_and_end_with_their_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    texts = ["a red fish", "a red fish and a striped blue house beside two trees"]
    ids, mask = as_clip_inputs(tokenizer, texts, longest=12)
    assert ids.shape == mask.shape == (2, 12)
    lengths = mask.sum(1).tolist()
    assert lengths[0] < lengths[1] == 12
    for row, length, text in zip(ids, lengths, texts, strict=True):
        assert (row[0], row[length - 1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert (row[length:] == tokenizer.pad_token_id).all()
        whole = tokenizer(text)["input_ids"]
        assert row[1 : length - 1].tolist() == whole[1 : length - 1]


def test_clip_inputs_leave_the_tokenizer_as_it_was() -> None:
    tokenizer = train_tokenizer(300, seed=1, count=2)
    before = tokenizer.backend_tokenizer.to_str()
    as_clip_inputs(tokenizer, ["a red fish and a striped blue house"], longest=8)
    assert json.loads(tokenizer.backend_tokenizer.to_str())["truncation"] == json.loads(before)["truncation"]


def test_a_clip_tokenizer_ends_texts_with_its_highest_id(tokenizer: PreTrainedTokenizerFast) -> None:
    copied = clip_tokenizer(tokenizer)
    assert copied.eos_token_id == len(copied) - 1 == len(tokenizer)
    assert copied("a red fish")["input_ids"] == tokenizer("a red fish")["input_ids"]
    assert tokenizer.eos_token == "</s>"
    assert len(tokenizer) == 400
    ids, mask = as_clip_inputs(copied, ["fish", "a red fish on a meadow"], longest=20)
    assert ids.argmax(1).tolist() == (mask.sum(1) - 1).tolist()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_text_conversations_read_edit_and_plan_one_scene(language: str) -> None:
    plans = 0
    for number in range(60):
        scene = scene_at("train", 3, number)
        story, program = describe(scene, language), canvas_program(scene, language)
        conversations = text_conversations(scene, Random(number), language)
        if len(conversations) == 1:  # a program writes signs out, so its description tells them
            story = describe(scene, language, signs=True)
        for question, answer in conversations:
            assert (question.role, answer.role) == ("user", "assistant")
            assert question.text.startswith(story)
            assert answer.text
            assert not question.images
        if conversations == [[user(story), assistant(program)]]:
            plans += 1
            continue
        tasks = [question.text.removeprefix(f"{story}\n") for question, _ in conversations]
        assert len(set(tasks)) == len(tasks) > 3
        assert not any(story in task for task in tasks)
        assert program not in [answer.text for _, answer in conversations]
    assert 3 <= plans <= 16  # about 9


@pytest.mark.parametrize(("language", "stop"), [("en", "."), ("zh", "。")])
def test_one_of_the_first_two_tasks_is_an_edit_and_is_answered_by_a_new_description(
    language: str, stop: str
) -> None:
    places = []
    for number in range(30):
        scene = scene_at("train", 3, number)
        conversations = text_conversations(scene, Random(number), language)
        if len(conversations) == 1:
            continue
        texts = [answer.text for _, answer in conversations]
        (place,) = [place for place, text in enumerate(texts) if text.count(stop) > 1]
        assert texts[place] != describe(scene, language)
        places.append(place)
    assert set(places) == {0, 1}


def test_text_conversations_follow_from_their_seed() -> None:
    scene = scene_at("train", 3, 1)
    assert text_conversations(scene, Random(5), "en") == text_conversations(scene, Random(5), "en")
