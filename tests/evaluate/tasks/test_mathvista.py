import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, picture, write_json
from gesso.core.errors import UnknownNameError, UsageError
from gesso.evaluate import endpoint_judge
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.mathvista import MathVista


def _problem(**values: Any) -> dict[str, Any]:
    usual = {"question": "How many?", "unit": None, "choices": None, "precision": None, "answer": "7",
             "question_type": "free_form", "answer_type": "integer", "image": "images/1.jpg",
             "metadata": {"task": "counting", "skills": ["arithmetic"]}}  # fmt: skip
    return {**usual, **values}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A count and a choice."""
    metadata = {"task": "naming", "skills": ["logic", "arithmetic"]}
    kinds = {"question_type": "multi_choice", "answer_type": "text"}
    choice = _problem(question="Which?", choices=["cat", "dog"], answer="dog", metadata=metadata, **kinds)
    write_json(tmp_path / "data" / "testmini.json", {"1": _problem(), "2": choice})
    picture(tmp_path / "data" / "images" / "1.jpg")
    return tmp_path


def test_gesso_reads_answers_by_rule(files: Path, tmp_path: Path) -> None:
    model = Knows(lambda text: "There are 7 of them." if "many" in text else "The answer is (B).")
    report = evaluate(model, MathVista(data=str(files)), Plan(count=9), log=tmp_path / "log")
    figures = {name: part.score for name, part in report.scores.items()}
    assert figures == {"counting": 1, "naming": 1, "read": 1, "skill arithmetic": 1, "skill logic": 1}
    assert "gesso's rules extracted the answers" in report.notes[0]
    assert "0 of 2 could not be read" in report.notes[0]
    made = json.loads((tmp_path / "log" / "mathvista_testmini_output.json").read_text())
    assert made["1"]["response"] == "There are 7 of them."
    assert made["1"]["query"] == model.asked[0].text
    vague = evaluate(Knows("2 or 7, A or B"), MathVista(data=str(files)), Plan(count=9))
    assert (vague.score, vague.scores["read"].score) == (0, 0)


def test_a_judge_extracts_only_what_is_not_plain(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(endpoint_judge.EndpointJudge, "ask", lambda _, q: asked.append(q) or "B")
    task = MathVista(data=str(files), judge_url="http://127.0.0.1:9/v1", judge_model="judge-7b")
    report = evaluate(Knows(lambda text: " 7 " if "many" in text else "the barking one"), task, Plan(count=9))
    assert report.score == 1
    assert len(asked) == 1
    assert asked[0].endswith("the barking one\n\nExtracted answer: ")
    assert "extracted by judge-7b" in report.notes[0]


def test_the_test_split_is_left_open(files: Path) -> None:
    problem = {name: value for name, value in _problem().items() if name not in ("answer", "metadata")}
    write_json(files / "data" / "test.json", {"1": problem})
    report = evaluate(Knows("7"), MathVista(data=str(files), split="test"), Plan(count=9))
    assert report.score is None
    assert "MathVista's authors" in report.notes[0]


def test_broken_files(files: Path) -> None:
    with pytest.raises(UnknownNameError):
        MathVista(data=str(files), split="val")
    for problem, told in (
        (_problem(image="images/2.jpg"), r"problem 1: its picture .*2.jpg is not there"),
        ({"question": "Q"}, "problem 1: it has no 'unit'"),
        (_problem(answer_type="float", precision=5), "no problem of the form 'float 5'"),
    ):
        write_json(files / "data" / "testmini.json", {"1": problem})
        with pytest.raises(UsageError, match=told):
            evaluate(Knows("7"), MathVista(data=str(files)), Plan(count=9))
