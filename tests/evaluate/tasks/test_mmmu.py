import json
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from evaluate.official_files import Knows, png
from gesso.core.errors import MissingExtraError, UnknownNameError, UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.mmmu import Mmmu


def _row(name: str, **values: Any) -> dict[str, Any]:
    image = {"bytes": png(), "path": f"{name}.png"}
    usual = {"id": name, "question": "What is in <image 1>?", "options": "['red', 'blue']", "answer": "B",
             "question_type": "multiple-choice", "image_1": image, "image_2": image}  # fmt: skip
    return {**usual, **values}


def _write(folder: Path, subject: str, split: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / subject / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two questions with options in Art, an open one in Math."""
    _write(tmp_path, "Art", "validation", [_row("validation_Art_1"), _row("validation_Art_2", answer="A")])
    row = _row("validation_Math_3", question="Solve.", options="[]", answer="42", question_type="open")
    _write(tmp_path, "Math", "validation", [row])
    return tmp_path


def test_shares_by_subject_and_domain(files: Path, tmp_path: Path) -> None:
    model = Knows(lambda text: "The answer is 42." if "Solve" in text else "(B)")
    report = evaluate(model, Mmmu(data=str(files)), Plan(count=9), log=tmp_path / "log")
    figures = {name: part.score for name, part in report.scores.items()}
    assert figures == {"Art": 0.5, "Math": 1.0, "Art and Design": 0.5, "Science": 1.0}
    assert report.score == pytest.approx(2 / 3, abs=1e-6)
    assert model.asked[0].text == (
        "What is in <image 1>?\n(A) red\n(B) blue\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert model.asked[2].text == "Solve.\nAnswer the question using a single word or phrase."
    assert {len(message.images) for message in model.asked} == {1}
    made = json.loads((tmp_path / "log" / "mmmu_val_predictions.json").read_text())
    assert made == {
        "validation_Art_1": "B",
        "validation_Art_2": "B",
        "validation_Math_3": "The answer is 42.",
    }


def test_all_pictures_on_request(files: Path) -> None:
    model = Knows("(B)")
    evaluate(model, Mmmu(data=str(files), pictures="all"), Plan(count=1))
    assert len(model.asked[0].images) == 2


def test_what_names_no_option_is_the_same_random_pick_each_time(files: Path) -> None:
    scores = {evaluate(Knows("who knows"), Mmmu(data=str(files)), Plan(count=2)).score for _ in range(3)}
    assert len(scores) == 1


def test_the_test_split_is_left_open(tmp_path: Path) -> None:
    _write(tmp_path, "Art", "test", [_row("test_Art_1", answer="?")])
    report = evaluate(Knows("B", "mgm-34b"), Mmmu(data=str(tmp_path), split="test"), Plan(count=9))
    assert report.score is None
    assert "EvalAI" in report.notes[0]
    assert [(each.figure, each.value) for each in report.published] == [("all", 0.436)]


def test_broken_files(files: Path) -> None:
    for row, told in (
        (
            _row("validation_Art_1", image_1={"bytes": None, "path": "a.png"}),
            "row 1: its picture holds no bytes",
        ),
        ({"id": "validation_Art_1", "question": "Q"}, "row 1: it has no 'options'"),
    ):
        path = _write(files, "Art", "validation", [row])
        with pytest.raises(UsageError, match=told):
            evaluate(Knows("B"), Mmmu(data=str(files)), Plan(count=9))
    path.write_bytes(b"no parquet")
    with pytest.raises(UsageError, match="it is no Parquet file"):
        evaluate(Knows("B"), Mmmu(data=str(files)), Plan(count=9))
    with pytest.raises(UsageError, match=r"it has no SUBJECT/test-\*.parquet"):
        evaluate(Knows("B"), Mmmu(data=str(files), split="test"), Plan(count=9))
    for wrong in ({"split": "train"}, {"pictures": "none"}):
        with pytest.raises(UnknownNameError):
            Mmmu(data=str(files), **wrong)


def test_a_missing_extra_is_told(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingExtraError, match=r"pyarrow is not installed; run: pip install 'gesso\[eval\]'"
    ):
        evaluate(Knows("B"), Mmmu(data=str(files)), Plan(count=9))
