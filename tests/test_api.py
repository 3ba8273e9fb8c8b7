import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image as Picture

import gesso
import tiny
from gesso.api import as_messages, as_sampling
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Text

PICTURE = Picture.new("RGB", (30, 20), "tomato")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> gesso.Model:
    return gesso.load(tiny.llava_folder(tmp_path_factory.mktemp("llava")))


def test_import_gesso_needs_no_torch() -> None:
    code = "import gesso, sys; gesso.user('hi'); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_public_names_are_sorted_and_importable() -> None:
    assert gesso.__all__ == sorted(gesso.__all__)
    assert all(getattr(gesso, name) is not None for name in gesso.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = gesso.lod


def test_a_message_a_list_and_openai_messages_say_the_same(model: gesso.Model, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    message = gesso.user(gesso.Image(path), "what is this?")
    wire = {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": path}},
            {"type": "text", "text": "what is this?"},
        ],
    }
    answers = [model.chat(given, max_new_tokens=6) for given in (message, [message], wire, [wire])]
    answers.append(model.ask(path, "what is this?", max_new_tokens=6))
    answers.append(model.ask(gesso.Image(PICTURE), "what is this?", max_new_tokens=6))
    assert len(set(answers)) == 1


def test_a_stream_gives_the_answer_in_pieces(model: gesso.Model) -> None:
    message = gesso.user(gesso.Image(PICTURE), "what is this?")
    stream = model.chat(message, stream=True, max_new_tokens=20)
    pieces = list(stream)
    assert len(pieces) > 1
    assert stream.answer == model.chat(message, max_new_tokens=20)
    assert stream.answer.text == "".join(pieces)


def test_a_batch_answers_each_conversation(model: gesso.Model) -> None:
    questions = [gesso.user("one"), [gesso.user(gesso.Image(PICTURE), "two")]]
    answers = model.batch(questions, max_new_tokens=6)
    assert answers == [model.chat(question, max_new_tokens=6) for question in questions]


def test_unknown_and_unusable_options_are_refused_by_name(model: gesso.Model) -> None:
    with pytest.raises(UnknownNameError, match="'temprature'; did you mean temperature"):
        model.chat(gesso.user("hi"), temprature=1)
    with pytest.raises(UsageError, match=r"top_p is 3; it must be in \(0, 1\]"):
        model.chat(gesso.user("hi"), top_p=3)


def test_stop_may_be_one_text_or_several() -> None:
    assert as_sampling({"stop": "###"}).stop == ("###",)
    assert as_sampling({"stop": ["a", "b"]}).stop == ("a", "b")
    assert as_sampling({}).stop == ()


def test_messages_in_every_form_become_messages() -> None:
    assert (
        as_messages({"role": "user", "content": "hi"}) == [gesso.user("hi")] == as_messages(gesso.user("hi"))
    )
    assert as_messages([gesso.system("be brief"), {"role": "user", "content": "hi"}])[1].parts == (
        Text("hi"),
    )
    with pytest.raises(UnsupportedError, match="'tool'"):
        as_messages([{"role": "tool", "content": "x"}])


def test_clip_scores_and_does_not_chat_and_llava_the_reverse(model: gesso.Model, tmp_path: Path) -> None:
    clip = gesso.load(tiny.clip_folder(tmp_path))
    scores = clip.scores([PICTURE, gesso.Image(PICTURE)], ["a", "b", "c"])
    assert torch.equal(scores, clip.embed_images([PICTURE] * 2) @ clip.embed_texts(["a", "b", "c"]).T)
    with pytest.raises(UnsupportedError, match="cannot chat"):
        clip.chat(gesso.user("hi"))
    with pytest.raises(UnsupportedError, match="such as mini-clip"):
        model.scores([PICTURE], ["a"])


def test_audio_is_refused_by_name(model: gesso.Model) -> None:
    with pytest.raises(UnsupportedError, match="Audio"):
        model.chat(gesso.user(gesso.Audio("a.wav"), "what do you hear?"))
