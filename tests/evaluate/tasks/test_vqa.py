import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, picture, write_json
from gesso.core.errors import UnknownNameError, UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.vqa import VizWiz, VqaV2

SHORT = "Answer the question using a single word or phrase."


def _questions(folder: Path, split: str, *numbers: int) -> None:
    rows = [{"question_id": n, "image_id": 9, "question": f"Q{n}?"} for n in numbers]
    write_json(folder / f"v2_OpenEnded_mscoco_{split}_questions.json", {"questions": rows})


def _answers(*texts: str) -> list[dict[str, Any]]:
    return [{"answer": text} for text in texts]


def test_vqav2_val_is_scored(tmp_path: Path) -> None:
    _questions(tmp_path, "val2014", 1, 2)
    notes = [{"question_id": 1, "answers": _answers(*["two"] * 10)},
             {"question_id": 2, "answers": _answers(*["red"] * 9, "blue")}]  # fmt: skip
    path = write_json(tmp_path / "v2_mscoco_val2014_annotations.json", {"annotations": notes})
    picture(tmp_path / "val2014" / "COCO_val2014_000000000009.jpg")
    model = Knows(lambda text: "2" if "Q1" in text else "blue")
    report = evaluate(model, VqaV2(data=str(tmp_path)), Plan(count=9))
    assert report.score == 0.65
    assert model.asked[0].text == f"Q1?\n{SHORT}"
    write_json(path, {"annotations": notes[:1]})
    with pytest.raises(UsageError, match="question 2: it has 0 answers in the annotations"):
        evaluate(model, VqaV2(data=str(tmp_path)), Plan(count=9))
    with pytest.raises(UnknownNameError, match="split 'train'"):
        VqaV2(data=str(tmp_path), split="train")


def test_vqav2_test_dev_is_uploaded_with_the_whole_test_set(tmp_path: Path) -> None:
    _questions(tmp_path, "test-dev2015", 2)
    _questions(tmp_path, "test2015", 1, 2)
    picture(tmp_path / "test2015" / "COCO_test2015_000000000009.jpg")
    assert VqaV2(data=str(tmp_path), split="test").published_as == "vqav2-test"
    task = VqaV2(data=str(tmp_path), split="test-dev")
    report = evaluate(Knows("The dog.", "llava-v1.5-7b"), task, Plan(count=9), log=tmp_path / "log")
    assert (report.score, [each.value for each in report.published]) == (None, [0.785])
    made = json.loads((tmp_path / "log" / "vqav2_test-dev_answers.json").read_text())
    assert made == [{"question_id": 1, "answer": ""}, {"question_id": 2, "answer": "dog"}]
    assert evaluate(Knows("x"), VqaV2(data=str(tmp_path), split="test"), Plan(count=9)).n == 2
    (tmp_path / "v2_OpenEnded_mscoco_test2015_questions.json").unlink()
    model = Knows("x")
    with pytest.raises(UsageError, match="the upload of vqav2 needs v2_OpenEnded"):
        evaluate(model, task, Plan(count=9))
    assert not model.asked


def test_vizwiz(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "question": "What?", "answers": _answers(*["soup"] * 10), "answer_type": "other"}
    write_json(tmp_path / "val.json", [row])
    write_json(tmp_path / "test.json", [{"image": "a.jpg", "question": "What?"}])
    for split in ("val", "test"):
        picture(tmp_path / split / "a.jpg")
    model = Knows("Soup")
    assert evaluate(model, VizWiz(data=str(tmp_path)), Plan(count=9)).scores["other"].score == 1.0
    middle = "When the provided information is insufficient, respond with 'Unanswerable'."
    assert model.asked[0].text == f"What?\n{middle}\n{SHORT}"
    report = evaluate(model, VizWiz(data=str(tmp_path), split="test"), Plan(count=9), log=tmp_path / "log")
    assert report.score is None
    made = json.loads((tmp_path / "log" / "vizwiz_test_answers.json").read_text())
    assert made == [{"image": "a.jpg", "answer": "soup"}]
    write_json(tmp_path / "val.json", [{**row, "answers": _answers("soup")}])
    with pytest.raises(UsageError, match="question 1: it has 1 answers; the official file has 10"):
        evaluate(model, VizWiz(data=str(tmp_path)), Plan(count=9))
    with pytest.raises(UnknownNameError, match="split 'train'"):
        VizWiz(data=str(tmp_path), split="train")
