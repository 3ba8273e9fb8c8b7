from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, picture, write_json
from gesso.core.errors import UnknownNameError, UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.scienceqa import ScienceQa


def _problem(**values: Any) -> dict[str, Any]:
    usual = {"question": "Which?", "choices": ["x", "y"], "answer": 1, "hint": "", "image": None}
    return {**usual, "lecture": "", "solution": "", **values}


@pytest.fixture
def problems(tmp_path: Path) -> dict[str, Any]:
    """One problem with a picture, one without."""
    write_json(tmp_path / "pid_splits.json", {"test": ["1", "2"], "val": []})
    picture(tmp_path / "images" / "test" / "1" / "image.png")
    return {"1": _problem(image="image.png", hint="Look."), "2": _problem(answer=0), "3": _problem()}


def test_questions_with_a_picture_are_counted_apart(problems: dict[str, Any], tmp_path: Path) -> None:
    write_json(tmp_path / "problems.json", problems)
    model = Knows(lambda text: "B" if "Look" in text else "The answer is B")
    report = evaluate(model, ScienceQa(data=str(tmp_path)), Plan(count=9))
    assert (report.n, report.score) == (2, 0.5)
    assert (report.scores["IMG"].score, report.scores["TXT"].score, report.scores["read"].score) == (
        1,
        0,
        0.5,
    )
    assert model.asked[0].text == (
        "Context: Look.\nQuestion: Which?\nOptions: (A) x (B) y\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert [len(message.images) for message in model.asked] == [1, 0]


@pytest.mark.parametrize(
    ("values", "told"),
    [({"answer": 7}, "problem 1: answer 7 of 2 choices"), ({"answer": "A"}, "problem 1: answer 'A'"),
     ({"image": "other.png"}, r"problem 1: its picture .*other.png is not there")],
)  # fmt: skip
def test_broken_problems(problems: dict[str, Any], tmp_path: Path, values: dict[str, Any], told: str) -> None:
    problems["1"] |= values
    write_json(tmp_path / "problems.json", problems)
    with pytest.raises(UsageError, match=told):
        evaluate(Knows("A"), ScienceQa(data=str(tmp_path)), Plan(count=9))


def test_empty_and_unknown_splits(problems: dict[str, Any], tmp_path: Path) -> None:
    write_json(tmp_path / "problems.json", problems)
    with pytest.raises(UsageError, match="holds no question of scienceqa"):
        evaluate(Knows("A"), ScienceQa(data=str(tmp_path), split="val"), Plan(count=9))
    with pytest.raises(UsageError, match="it has no 'minival'"):
        evaluate(Knows("A"), ScienceQa(data=str(tmp_path), split="minival"), Plan(count=9))
    with pytest.raises(UnknownNameError, match="split 'train'"):
        ScienceQa(data=str(tmp_path), split="train")
