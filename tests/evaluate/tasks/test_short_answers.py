import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, picture, write_json, write_lines
from gesso.core.errors import GessoError, UnknownNameError, UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.short_answers import Gqa, TextVqa

SHORT = "Answer the question using a single word or phrase."


@pytest.fixture
def textvqa(tmp_path: Path) -> Path:
    """Two questions about two pictures, with OCR tokens."""
    rows: list[dict[str, Any]] = [
        {
            "question_id": 1,
            "image_id": "a",
            "question": "What brand?",
            "answers": ["nike"] * 8 + ["adidas"] * 2,
        },
        {"question_id": 2, "image_id": "b", "question": "Which Number?", "answers": ["two"] * 10},
    ]
    write_json(tmp_path / "TextVQA_0.5.1_val.json", {"data": rows})
    tokens = [{"image_id": "a", "ocr_tokens": ["NIKE", "just"]}, {"image_id": "b", "ocr_tokens": []}]
    write_json(tmp_path / "TextVQA_Rosetta_OCR_v0.2_val.json", {"data": tokens})
    for name in "ab":
        picture(tmp_path / "train_images" / f"{name}.jpg")
    return tmp_path


def test_textvqa_with_tokens(textvqa: Path, tmp_path: Path) -> None:
    model = Knows(lambda text: "Nike!" if "brand" in text else "2")
    report = evaluate(model, TextVqa(data=str(textvqa)), Plan(count=9), log=tmp_path / "log")
    assert (report.n, report.score) == (2, 1.0)
    assert model.asked[0].text == f"What brand?\nReference OCR token: NIKE, just\n{SHORT}"
    assert model.asked[1].text == f"Which Number?\nReference OCR token: \n{SHORT}"
    assert model.sampling == {"temperature": 0.0, "max_new_tokens": 128}
    made = json.loads((tmp_path / "log" / "textvqa_val_predictions.json").read_text())
    assert made == [{"question_id": 1, "answer": "nike"}, {"question_id": 2, "answer": "2"}]


def test_textvqa_without_tokens_and_with_llavas_prompts(textvqa: Path) -> None:
    model = Knows("adidas")
    report = evaluate(model, TextVqa(data=str(textvqa), ocr=False), Plan(count=1))
    assert report.score == 0.6  # for each of the two one other agrees, for each of the eight both do
    assert model.asked[0].text == f"What brand?\n{SHORT}"
    text = f"What brand?\nReference OCR token: OTHER\n{SHORT}"
    write_lines(textvqa / "llava_textvqa_val_v051_ocr.jsonl", [{"question_id": "a", "text": text}])
    evaluate(model, TextVqa(data=str(textvqa)), Plan(count=1))
    assert model.asked[-1].text == text
    with pytest.raises(UsageError, match=r"question 2: .*ocr.jsonl has nothing for \('b'"):
        evaluate(model, TextVqa(data=str(textvqa)), Plan(count=2))


def test_textvqa_of_the_test_split_is_left_open(textvqa: Path, tmp_path: Path) -> None:
    rows = [{"question_id": 5, "image_id": "c", "question": "What?"}]
    write_json(textvqa / "TextVQA_0.5.1_test.json", {"data": rows})
    picture(textvqa / "test_images" / "c.jpg")
    task = TextVqa(data=str(textvqa), split="test", ocr=False)
    report = evaluate(Knows("x"), task, Plan(count=1), log=tmp_path / "log")
    assert (report.score, report.stderr, report.n) == (None, None, 1)
    assert "given by EvalAI" in report.notes[0]
    assert (tmp_path / "log" / "textvqa_test_predictions.json").is_file()


def test_broken_files_of_textvqa(textvqa: Path) -> None:
    (textvqa / "train_images" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(GessoError, match=r"question 2: .* cannot be read"):
        evaluate(Knows("x"), TextVqa(data=str(textvqa)), Plan(count=2))
    (textvqa / "train_images" / "b.jpg").unlink()
    with pytest.raises(UsageError, match=r"question 2: its picture .*b.jpg is not there; unpack"):
        evaluate(Knows("x"), TextVqa(data=str(textvqa)), Plan(count=2))
    rows = [{"question_id": 1, "image_id": "a", "question": "Q", "answers": ["x"]}]
    path = write_json(textvqa / "TextVQA_0.5.1_val.json", {"data": rows})
    with pytest.raises(UsageError, match="question 1: it has 1 answers; the official file has 10"):
        evaluate(Knows("x"), TextVqa(data=str(textvqa)), Plan(count=2))
    path.write_text('{"data":\n [}')
    with pytest.raises(UsageError, match=r"val.json, line 2: it is no JSON"):
        evaluate(Knows("x"), TextVqa(data=str(textvqa)), Plan(count=2))
    with pytest.raises(UsageError, match=r"textvqa needs TextVQA_0.5.1_val.json there"):
        evaluate(Knows("x"), TextVqa(data=str(textvqa / "train_images")), Plan(count=2))
    with pytest.raises(UnknownNameError, match="split 'train'"):
        TextVqa(data=str(textvqa), split="train")


def test_gqa(tmp_path: Path) -> None:
    questions = {
        "11": {"question": "Is it red?", "imageId": "n1", "answer": "yes", "types": {"structural": "verify"}},
        "12": {"question": "What is it?", "imageId": "n1", "answer": "dog", "types": {"structural": "query"}},
    }
    write_json(tmp_path / "testdev_balanced_questions.json", questions)
    picture(tmp_path / "images" / "n1.jpg")
    model = Knows(lambda text: "Yes." if "red" in text else "cat")
    report = evaluate(model, Gqa(data=str(tmp_path)), Plan(count=9), log=tmp_path / "log")
    assert (report.n, report.score) == (2, 0.5)
    assert {name: part.score for name, part in report.scores.items()} == {"query": 0.0, "verify": 1.0}
    made = json.loads((tmp_path / "log" / "testdev_balanced_predictions.json").read_text())
    assert made == [{"questionId": "11", "prediction": "yes"}, {"questionId": "12", "prediction": "cat"}]
    del questions["11"]["imageId"]
    write_json(tmp_path / "testdev_balanced_questions.json", questions)
    with pytest.raises(UsageError, match="question 11: it has no 'imageId'"):
        evaluate(model, Gqa(data=str(tmp_path)), Plan(count=9))
    with pytest.raises(UnknownNameError, match="split 'train'"):
        Gqa(data=str(tmp_path), split="train")


def test_gqa_of_the_test_split_is_left_open(tmp_path: Path) -> None:
    write_json(tmp_path / "test_balanced_questions.json", {"1": {"question": "Q", "imageId": "n1"}})
    picture(tmp_path / "images" / "n1.jpg")
    report = evaluate(Knows("x"), Gqa(data=str(tmp_path), split="test"), Plan(count=1))
    assert report.score is None
    assert "EvalAI" in report.notes[0]
