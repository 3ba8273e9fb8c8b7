import json
from pathlib import Path
from shutil import copyfile

import pytest

from gesso.cli.conversation import Conversation
from gesso.core.errors import MediaError, UsageError
from gesso.core.messages import Image, assistant, system, user


def _talk() -> Conversation:
    talk = Conversation((system("be brief"),))
    for number in (1, 2):
        talk.ask(f"question {number}")
        talk.answer(f"answer {number}")
    return talk


def test_pictures_come_with_the_next_question_only(picture: str) -> None:
    talk = Conversation()
    talk.show(picture)
    talk.ask("what?")
    talk.answer("a fish")
    talk.ask("how many?")
    assert talk.messages == [user(Image(picture), "what?"), assistant("a fish"), user("how many?")]


def test_a_picture_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(MediaError, match=r"no picture 'nowhere\.png'"):
        Conversation().show("nowhere.png")


def test_a_tilde_is_the_home_folder(tmp_path: Path, picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copyfile(picture, tmp_path / "a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    talk = Conversation()
    talk.show("~/a.png")
    assert talk.waiting == [Image(str(tmp_path / "a.png"))]


def test_urls_are_left_to_the_reader_of_pictures() -> None:
    talk = Conversation()
    talk.show("data:image/png;base64,xx")
    assert talk.waiting == [Image("data:image/png;base64,xx")]


def test_reset_keeps_the_opening() -> None:
    talk = _talk()
    talk.reset()
    assert talk.messages == [system("be brief")]


def test_regenerate_opens_the_last_question() -> None:
    talk = _talk()
    talk.regenerate()
    assert talk.messages[-1] == user("question 2")
    with pytest.raises(UsageError, match="no answer"):
        talk.regenerate()


def test_edit_replaces_a_question_keeps_its_pictures_and_forgets_the_rest(picture: str) -> None:
    talk = Conversation((system("be brief"),))
    talk.show(picture)
    talk.ask("what?")
    talk.answer("a fish")
    talk.ask("how many?")
    talk.answer("two")
    talk.edit(1, "where?")
    assert talk.messages == [system("be brief"), user(Image(picture), "where?")]
    with pytest.raises(UsageError, match="no question 2, 1 were asked"):
        talk.edit(2, "x")


def test_take_back_forgets_the_open_question() -> None:
    talk = _talk()
    talk.ask("too long")
    talk.take_back()
    assert talk.messages[-1] == assistant("answer 2")


def test_a_saved_conversation_reads_back(tmp_path: Path, picture: str) -> None:
    talk = _talk()
    talk.show(picture)
    talk.ask("你好?")
    talk.save(str(tmp_path / "talk.json"))
    messages = json.loads((tmp_path / "talk.json").read_text("utf-8"))
    assert [type(talk.messages[0]).from_openai(message) for message in messages] == talk.messages
    with pytest.raises(UsageError, match="cannot write"):
        talk.save(str(tmp_path / "missing" / "talk.json"))
