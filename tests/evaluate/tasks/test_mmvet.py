import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, picture, write_json
from gesso.core.errors import GessoError, UsageError
from gesso.evaluate import endpoint_judge
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.mmvet import MmVet


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two questions about one picture."""
    maths = {"question": "What is x?", "answer": "-1 <AND> -5", "capability": ["ocr", "math"]}
    naming = {"question": "What is it?", "answer": "dog", "capability": ["rec"]}
    rows = {"v1_0": maths, "v1_1": naming}
    rows = {name: {"imagename": "a.jpg", **row} for name, row in rows.items()}
    write_json(tmp_path / "mm-vet.json", rows)
    picture(tmp_path / "images" / "a.jpg")
    return tmp_path


def test_without_a_judge_the_score_is_left_open(files: Path, tmp_path: Path) -> None:
    model = Knows("A dog.")
    report = evaluate(model, MmVet(data=str(files)), Plan(count=9), log=tmp_path / "log")
    assert (report.score, report.n, dict(report.scores)) == (None, 2, {})
    assert "given by MM-Vet's grader" in report.notes[0]
    assert model.asked[0].text == "What is x?"
    upload = json.loads((tmp_path / "log" / "mm-vet_upload.json").read_text())
    assert upload == {"v1_0": "A dog.", "v1_1": "A dog."}


def test_a_judge_grades(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = {"-1 <AND> -5": "0.5", "dog": "Grade: 1.0"}
    asked: list[Any] = []

    def ask(_: Any, question: str) -> str:
        asked.append(question)
        return next(reply for truth, reply in replies.items() if f"True answer: {truth}\n" in question)

    monkeypatch.setattr(endpoint_judge.EndpointJudge, "ask", ask)
    task = MmVet(data=str(files), judge_url="http://127.0.0.1:9/v1", judge_model="judge-7b")
    report = evaluate(Knows("x = -1"), task, Plan(count=9))
    assert report.score == 0.75
    assert report.scores["ability math"].score == report.scores["ability ocr"].score == 0.5
    assert report.scores["ability rec"].score == 1.0
    assert "graded by judge-7b with gesso's own prompt" in report.notes[0]
    replies["dog"] = "fine"
    with pytest.raises(GessoError, match="sample v1_1: the judge replied 'fine'"):
        evaluate(Knows("x"), task, Plan(count=9))


def test_half_of_a_judge_and_broken_files(files: Path) -> None:
    with pytest.raises(UsageError, match="--judge-url and --judge-model together"):
        MmVet(data=str(files), judge_url="http://127.0.0.1:9/v1")
    write_json(files / "mm-vet.json", {"v1_0": {"imagename": "a.jpg"}})
    with pytest.raises(UsageError, match="question v1_0: it has no 'capability'"):
        evaluate(Knows("x"), MmVet(data=str(files)), Plan(count=9))
    write_json(files / "mm-vet.json", [])
    with pytest.raises(UsageError, match="it holds a list, the official file a dict"):
        evaluate(Knows("x"), MmVet(data=str(files)), Plan(count=9))
