import pytest

from gesso.cli.session import Command, Session, number_and_text, required
from gesso.core.errors import UsageError


@pytest.fixture
def said() -> list[str]:
    return []


def session(said: list[str]) -> Session:
    return Session(
        said.append, {"/note": Command("TEXT", "write it down", lambda text: said.append(f"<{text}>"))}
    )


def test_lines_are_answered_and_commands_are_run(said: list[str]) -> None:
    talk = session(said)
    assert all(talk.take(line) for line in ("hello  there", "", "  ", "/note two words ", "/note"))
    assert said == ["hello  there", "<two words>", "<>"]


def test_quit_ends_it_and_help_lists_all(said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    talk = session(said)
    assert talk.take("/help")
    listed = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in listed] == ["/note", "/help", "/quit"]
    assert "TEXT" in listed[0]
    assert not talk.take("/quit")
    assert said == []


def test_unknown_commands_name_the_known_ones(said: list[str]) -> None:
    with pytest.raises(UsageError, match="unknown command /frob; known: /help, /note, /quit"):
        session(said).take("/frob x")


def test_what_must_stand_behind_a_command() -> None:
    assert required("a.png", "/image PATH") == "a.png"
    assert number_and_text("2 what  else", "/edit N TEXT") == (2, "what  else")
    for rest in ("", "2", "two x", "² x", "-1 x"):
        with pytest.raises(UsageError, match="say /edit N TEXT"):
            number_and_text(rest, "/edit N TEXT")
