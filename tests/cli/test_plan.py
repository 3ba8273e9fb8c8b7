import json
from pathlib import Path

import pytest

from cli.planners import put_planner
from cli.run import Gesso
from engines.planning import FakeWriter, canvas, program
from engines.test_plan_remote import Stub, stub  # noqa: F401  # a fixture
from gesso.canvas.parse import read_canvas
from gesso.core.messages import assistant, user
from gesso.core.sampling import Sampling
from gesso.engines.canvas_files import canvas_json, read_canvas_file
from gesso.models.omost.prompts import OMOST_SAMPLING

FISH, BOAT = program("red fish"), program("red fish", "blue boat")


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch) -> FakeWriter:
    return put_planner(monkeypatch, "gesso.cli.plan", BOAT)


def test_a_wish_becomes_a_program(gesso: Gesso, planner: FakeWriter) -> None:
    outcome = gesso("plan", "a fish and a boat")
    assert outcome.code == 0
    assert read_canvas(outcome.out).canvas == canvas("red fish", "blue boat")
    assert planner.asked == [[user("a fish and a boat")]]
    assert planner.samplings == [OMOST_SAMPLING]


def test_regions_are_told_as_they_come(gesso: Gesso, planner: FakeWriter) -> None:
    assert gesso("plan", "a fish and a boat").err.splitlines() == [
        "background: in the sea (navy)",
        "a red fish: on the left, a small square area, red",
        "a blue boat: on the right, a small square area, blue",
    ]


def test_json_is_a_canvas_that_reads_back(gesso: Gesso, planner: FakeWriter) -> None:
    outcome = gesso("plan", "a fish and a boat", "--json")
    assert read_canvas_text(outcome.out) == canvas("red fish", "blue boat")


def read_canvas_text(text: str) -> object:
    return type(canvas()).from_dict(json.loads(text))


def test_the_wish_and_the_canvas_can_come_from_a_pipe(gesso: Gesso, planner: FakeWriter) -> None:
    gesso("plan", "-", stdin="a fish\n")
    assert planner.asked == [[user("a fish")]]
    assert gesso("plan", "-", "--edit", "-").code == 2


def test_a_canvas_is_edited(gesso: Gesso, planner: FakeWriter) -> None:
    outcome = gesso("plan", "add a boat", "--edit", "-", stdin=canvas_json(canvas("red fish")))
    assert outcome.code == 0
    assert planner.asked[0][1:] == [assistant(program("red fish", layout="tall")), user("add a boat")]


def test_files_are_written_by_their_endings(
    gesso: Gesso, planner: FakeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = gesso("plan", "a fish", "--out", "a.json", "--out", "a.py", "--out", "a.png", "--out", "a.svg")
    assert read_canvas_file("a.json") == read_canvas_file("a.py") == canvas("red fish", "blue boat")
    assert Path("a.svg").read_text("utf-8").startswith("<svg")
    assert "saved to a.png" in outcome.err


def test_a_wrong_ending_is_told_before_anything_is_asked(gesso: Gesso, planner: FakeWriter) -> None:
    outcome = gesso("plan", "a fish", "--out", "a.gif")
    assert outcome.code == 2
    assert "allowed: .json, .py" in outcome.err
    assert planner.asked == []


def test_given_options_go_before_the_planner_s_own(gesso: Gesso, planner: FakeWriter) -> None:
    gesso("plan", "a fish", "--temperature", "0", "--seed", "7")
    assert planner.samplings == [Sampling(temperature=0, top_p=0.9, max_new_tokens=4096, seed=7)]


def test_what_happened_on_the_way_is_told(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, misspelt = FISH.replace("'on the left'", "17"), FISH.replace("on the left", "on the lefft")
    put_planner(monkeypatch, "gesso.cli.plan", broken, f"Plan: red fish on the left\n{misspelt}")
    outcome = gesso("plan", "a fish")
    told = " ".join(outcome.err.split())
    assert "the program begins anew" in told
    assert "plan: red fish on the left" in told
    assert "was refused and asked for again: line 4: location is 17" in told
    assert "corrected, line 5: location 'on the lefft' was read as 'on the left'" in told


def test_a_model_that_is_no_planner_is_refused_by_name(gesso: Gesso, llava: str) -> None:
    outcome = gesso("plan", "a fish", "--model", llava)
    assert outcome.code == 2
    assert "does not plan canvases; load a planner, such as mini-omost" in outcome.err


def test_a_server_plans(gesso: Gesso, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("GESSO_API_KEY", "secret")
    stub.say(FISH)
    arguments = ("--endpoint", stub.url, "--model", "qwen", "--temperature", "0.3")  # type: ignore[attr-defined]
    outcome = gesso("plan", "a fish", *arguments)
    assert read_canvas(outcome.out).canvas == canvas("red fish")
    ((_, headers, body),) = stub.asked
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["temperature"], body["top_p"]) == ("qwen", 0.3, 0.9)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--endpoint", "http://127.0.0.1:9/v1"), "the model's name at the server is missing"),
        (("--endpoint", "http://127.0.0.1:9/v1", "-m", "x", "--device", "cpu"), "leave them out"),
        (("--endpoint", "127.0.0.1", "-m", "x"), "must begin with http"),
        (("--context", "4000"), "are of a server"),
        (("--timeout", "4"), "are of a server"),
        (("--top-p", "3"), "top_p is 3"),
        (("--edit", "nowhere.py"), "no file 'nowhere.py'"),
    ],
)
def test_wrong_usage_names_what_is_allowed(gesso: Gesso, arguments: tuple[str, ...], told: str) -> None:
    outcome = gesso("plan", "a fish", *arguments)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
