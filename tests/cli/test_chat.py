import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import gesso as package
from cli.run import Gesso
from gesso.cli import chat
from gesso.core.messages import Image, assistant, user

SHORT = ("--max-new-tokens", "8")


def _expected(llava: str, *messages: package.Message) -> str:
    return package.load(llava).chat(list(messages), max_new_tokens=8).text


def test_ask_prints_the_answer_alone(gesso: Gesso, llava: str, picture: str) -> None:
    outcome = gesso("ask", picture, "what is this?", "--model", llava, *SHORT)
    assert outcome.code == 0
    assert outcome.out == _expected(llava, user(Image(picture), "what is this?")) + "\n"


def test_ask_takes_several_pictures_or_none(gesso: Gesso, llava: str, picture: str) -> None:
    two = gesso("ask", picture, picture, "same?", "-m", llava, *SHORT)
    assert two.out == _expected(llava, user(Image(picture), Image(picture), "same?")) + "\n"
    assert gesso("ask", "hello", "-m", llava, *SHORT).out == _expected(llava, user("hello")) + "\n"


def test_ask_as_json_is_one_object(gesso: Gesso, llava: str, picture: str) -> None:
    record = json.loads(gesso("ask", picture, "what?", "--model", llava, "--json", *SHORT).out)
    assert record["answer"] == _expected(llava, user(Image(picture), "what?"))
    assert (record["model"], record["images"], record["question"]) == (llava, [picture], "what?")
    assert record["usage"]["completion_tokens"] <= 8
    assert record["finish_reason"] in ("stop", "length")


def test_a_dash_is_standard_input(gesso: Gesso, llava: str, picture: str) -> None:
    expected = _expected(llava, user(Image(picture), "what?")) + "\n"
    assert gesso("ask", "-", "what?", "-m", llava, *SHORT, stdin=Path(picture).read_bytes()).out == expected
    assert gesso("ask", picture, "-", "-m", llava, *SHORT, stdin="what?\n").out == expected
    assert gesso("ask", "-", "-", "-m", llava).code == 2


def test_a_picture_that_is_not_there_fails_with_its_name(gesso: Gesso, llava: str) -> None:
    outcome = gesso("ask", "nowhere.png", "what?", "-m", llava)
    assert (outcome.code, outcome.out) == (1, "")
    assert "nowhere.png" in outcome.err


def test_chat_answers_line_by_line_from_a_pipe(gesso: Gesso, llava: str, picture: str) -> None:
    outcome = gesso("chat", llava, *SHORT, stdin=f"/image {picture}\nwhat?\n\nhow many?\n")
    first = _expected(llava, user(Image(picture), "what?"))
    second = _expected(llava, user(Image(picture), "what?"), assistant(first), user("how many?"))
    assert (outcome.code, outcome.out) == (0, f"{first}\n{second}\n")


def test_chat_commands_change_the_conversation(gesso: Gesso, llava: str, tmp_path: Path) -> None:
    saved = tmp_path / "talk.json"
    lines = f"one\ntwo\n/edit 1 three\n/regenerate\n/save {saved}\n/reset\nfour\n/help\n/quit\nfive\n"
    outcome = gesso("chat", llava, *SHORT, stdin=lines)
    three = _expected(llava, user("three"))
    assert outcome.out.endswith(f"{three}\n{three}\n{_expected(llava, user('four'))}\n")
    assert [message["content"] for message in json.loads(saved.read_text())] == ["three", three]
    assert all(
        f"/{name} " in outcome.err for name in ("image", "regenerate", "edit", "reset", "save", "quit")
    )


def test_chat_begins_with_pictures_and_a_system_message(gesso: Gesso, llava: str, picture: str) -> None:
    outcome = gesso("chat", llava, "--image", picture, *SHORT, stdin="what?\n")
    assert outcome.out == _expected(llava, user(Image(picture), "what?")) + "\n"
    refused = gesso("chat", llava, "--system", "be brief", *SHORT, stdin="what?\n")
    assert refused.code == 2
    assert "system" in refused.err


def test_only_given_options_change_how_a_model_answers(gesso: Gesso, llava: str) -> None:
    expected = package.load(llava).chat(user("what?"), max_new_tokens=8, temperature=1.5, seed=3).text
    arguments = ("--temperature", "1.5", "--seed", "3")
    assert gesso("chat", llava, *SHORT, *arguments, stdin="what?\n").out == expected + "\n"
    assert gesso("ask", "what?", "-m", llava, *SHORT, *arguments).out == expected + "\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [("/frob", "unknown command /frob"), ("/image", "say /image PATH"), ("/edit one two", "say /edit N TEXT"),
     ("/regenerate", "no answer"), ("/save", "say /save FILE")],
)  # fmt: skip
def test_a_wrong_command_in_a_pipe_is_wrong_usage(gesso: Gesso, llava: str, line: str, message: str) -> None:
    outcome = gesso("chat", llava, stdin=line + "\n")
    assert outcome.code == 2
    assert message in outcome.err


def test_on_a_terminal_an_error_ends_only_its_line(gesso: Gesso, llava: str) -> None:
    outcome = gesso.typed("chat", llava, *SHORT, lines=["/frob", "tell me " * 100, "hello", "/regenerate"])
    hello = _expected(llava, user("hello"))
    assert outcome.code == 0
    assert outcome.out == f"{hello}\n{hello}\n\n"
    assert "unknown command /frob" in outcome.err
    assert "positions" in outcome.err


class _Pressed:
    """A model at whose second piece of text somebody presses Ctrl-C."""

    engine = None

    def chat(self, *_: object, **__: object) -> Iterator[str]:
        yield "a fi"
        raise KeyboardInterrupt


def test_an_interrupt_on_a_terminal_ends_the_answer_only(
    gesso: Gesso, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chat, "load_model", lambda *_: _Pressed())
    saved = tmp_path / "talk.json"
    outcome = gesso.typed("chat", lines=["what?", f"/save {saved}"])
    assert (outcome.code, outcome.out) == (0, "a fi\n\n")
    assert json.loads(saved.read_text())[1]["content"] == "a fi"


def test_an_interrupt_in_a_pipe_ends_the_chat(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "load_model", lambda *_: _Pressed())
    outcome = gesso("chat", stdin="what?\nand now?\n")
    assert (outcome.code, outcome.out) == (130, "a fi")
