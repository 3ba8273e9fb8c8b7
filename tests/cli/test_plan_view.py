from io import StringIO

import pytest
from rich.console import Console

from engines.planning import FakeWriter, canvas, program
from gesso.cli.plan_view import follow
from gesso.engines.plan import Planner

FISH, BOAT = program("red fish"), program("red fish", "blue boat")


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=80, height=40, color_system="truecolor")


def drawn(console: Console) -> str:
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_on_a_terminal_the_layout_is_drawn_again_for_each_part() -> None:
    console = terminal()
    plan = follow(Planner(FakeWriter(BOAT)).stream("a fish and a boat"), console)
    assert plan.canvas == canvas("red fish", "blue boat")
    # numbered by depth; of equal distance, in the order they came
    assert drawn(console).count("1 a red fish") > drawn(console).count("2 a blue boat") > 0
    assert "in the sea" in drawn(console)


def test_a_program_that_begins_anew_clears_the_drawing() -> None:
    console = terminal()
    broken = FISH.replace("red fish", "pink cat") + "\n"
    broken = broken.replace("```\n", "canvas.frob()\n```")
    follow(Planner(FakeWriter(broken, FISH)).stream("a fish"), console)
    last = drawn(console).rpartition("1 a pink cat")[2]
    assert "1 a red fish" in last


def test_elsewhere_each_part_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=StringIO())
    follow(Planner(FakeWriter(FISH)).stream("a fish"), console)
    assert drawn(console) == ""
    assert capsys.readouterr().err.splitlines()[1] == "a red fish: on the left, a small square area, red"
