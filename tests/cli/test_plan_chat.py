from pathlib import Path

import pytest

from cli.planners import put_planner
from cli.run import Gesso
from engines.planning import FakeWriter, canvas, program
from gesso.canvas.parse import read_canvas
from gesso.cli import output
from gesso.core.messages import user
from gesso.engines.canvas_files import read_canvas_file
from gesso.engines.plan import PlanSettings

CHAT = "gesso.cli.chat"
FISH, BOAT, CAT = program("red fish"), program("blue boat"), program("pink cat")


def asked(writer: FakeWriter) -> list[str]:
    return [message.text for message in writer.asked[-1] if message.role == "user"]


def test_a_pipe_gets_programs_and_nothing_else(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = put_planner(monkeypatch, CHAT, FISH, BOAT)
    outcome = gesso("chat", "planner", stdin="a fish\na boat instead\n")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == canvas("red fish").to_source() + "\n" + canvas("blue boat").to_source() + "\n"
    assert asked(writer) == ["a fish", "a boat instead"]


def test_commands_change_the_conversation(
    gesso: Gesso, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writer = put_planner(monkeypatch, CHAT, FISH, BOAT, CAT, FISH)
    lines = f"a fish\na boat\n/edit 1 a cat\n/save {tmp_path}/a.json\n/reset\na fish\n/help\n/quit\nmore\n"
    outcome = gesso("chat", "planner", stdin=lines)
    assert outcome.code == 0
    assert read_canvas_file(tmp_path / "a.json") == canvas("pink cat")
    assert writer.asked[2] == [user("a cat")]
    assert writer.asked[3] == [user("a fish")]
    for command in ("/regenerate", "/edit N TEXT", "/load FILE", "/save FILE", "/reset", "/quit"):
        assert command in outcome.err


def test_another_answer_takes_another_seed(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = put_planner(monkeypatch, CHAT, FISH, BOAT)
    gesso("chat", "planner", "--seed", "3", stdin="a fish\n/regenerate\n")
    assert [sampling.seed for sampling in writer.samplings] == [3, 4]
    assert asked(writer) == ["a fish"]


def test_a_canvas_edited_by_hand_can_be_put_in(
    gesso: Gesso, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writer = put_planner(monkeypatch, CHAT, BOAT)
    (tmp_path / "a.py").write_text(canvas("red fish").to_source(), "utf-8")
    outcome = gesso(
        "chat", "planner", stdin=f"/load {tmp_path}/a.py\n/save {tmp_path}/b.py\na boat instead\n"
    )
    assert outcome.code == 0
    assert (tmp_path / "b.py").read_text("utf-8") == canvas("red fish").to_source()
    assert program("red fish", layout="tall") in [message.text for message in writer.asked[0]]


@pytest.mark.parametrize(
    ("line", "told"),
    [("/regenerate", "no canvas to make anew"), ("/save a.json", "no canvas to save"),
     ("/save", "say /save FILE"), ("/edit 1 a cat", "no wish 1, 0 were said"),
     ("/edit 1", "say /edit N TEXT"), ("/image a", "unknown command"),
     ("/load nowhere.py", "no file 'nowhere.py'")],
)  # fmt: skip
def test_a_wrong_command_in_a_pipe_is_wrong_usage(
    gesso: Gesso, monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    put_planner(monkeypatch, CHAT)
    outcome = gesso("chat", "planner", stdin=line + "\n")
    assert outcome.code == 2
    assert told in outcome.err


@pytest.mark.parametrize("option", ["--image", "--system"])
def test_pictures_and_system_messages_are_refused(
    gesso: Gesso, monkeypatch: pytest.MonkeyPatch, picture: str, option: str
) -> None:
    put_planner(monkeypatch, CHAT)
    outcome = gesso("chat", "planner", option, picture, stdin="a fish\n")
    assert outcome.code == 2
    assert "leave --image, --audio and --system out" in " ".join(outcome.err.split())


def test_on_a_terminal_the_layout_is_drawn(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    put_planner(monkeypatch, CHAT, FISH, "no canvas", CAT, settings=PlanSettings(system=None, repairs=0))
    monkeypatch.setattr(output.out, "_force_terminal", True)
    outcome = gesso.typed("chat", "planner", lines=["a fish", "something else", "/regenerate", "/quit"])
    assert outcome.code == 0
    assert "1 a red fish" in outcome.out
    assert "1 a pink cat" in outcome.out
    assert "Canvas()" not in outcome.out
    assert "wrote no canvas" in outcome.err
    assert "/help lists the commands" in outcome.err


def test_an_interrupt_on_a_terminal_ends_the_plan_only(
    gesso: Gesso, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writer = put_planner(monkeypatch, CHAT, FISH, BOAT)
    write, calls = writer.write, iter([None, KeyboardInterrupt])

    def pressed(*arguments: object, **named: object) -> object:
        if error := next(calls):
            raise error
        return write(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "write", pressed)
    saved = tmp_path / "a.py"
    outcome = gesso.typed("chat", "planner", lines=["a fish", "a boat", f"/save {saved}"])
    assert outcome.code == 0
    assert "(stopped)" in outcome.err
    assert read_canvas(saved.read_text("utf-8")).canvas == canvas("red fish")
