import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from evaluate.official_files import Knows, base64_png, write_table
from gesso.core.errors import GessoError, MissingExtraError, UnknownNameError, UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.choices import Ai2d, MmBench, MmStar, RealWorldQa

PICTURE = base64_png()
INSTRUCTION = "Answer with the option's letter from the given choices directly."


def _row(index: int | str, **values: Any) -> dict[str, Any]:
    options = {"A": "cat", "B": "dog", "C": "", "D": ""}
    usual = {"index": index, "question": f"Q{index}?", "hint": "nan", **options, "answer": "A"}
    return {**usual, "category": "animals", "image": PICTURE, **values}


def _turned(row: dict[str, Any]) -> dict[str, Any]:
    """The rotated copy of a row with two options, as official files have it."""
    answer = "B" if row["answer"] == "A" else "A"
    index = row["index"]
    return {**row, "index": index + 1_000_000, "A": row["B"], "B": row["A"], "answer": answer, "image": index}


def test_rotated_copies_make_the_circular_score(tmp_path: Path) -> None:
    first, second = _row(7), _row(8, hint="Look.", answer="B")
    rows = [first, second, _turned(first), _turned(second)]
    path = write_table(tmp_path / "mmbench_dev_en.tsv", rows)
    model = Knows(lambda text: "A" if "Q7" in text else ("B" if "A. cat" in text else "A."))
    report = evaluate(model, MmBench(data=str(path)), Plan(count=99), log=tmp_path / "log")
    # always A is right once; the dog is found wherever it stands
    assert report.scores["animals"].score == 0.75
    assert (report.score, report.scores["circular"].n, report.n) == (0.5, 2, 4)
    assert model.asked[0].text == f"Q7?\nA. cat\nB. dog\n{INSTRUCTION}"
    assert model.asked[1].text == f"Look.\nQ8?\nA. cat\nB. dog\n{INSTRUCTION}"
    assert all(len(message.images) == 1 for message in model.asked)
    book = openpyxl.load_workbook(BytesIO((tmp_path / "log" / "mmbench_dev_en_upload.xlsx").read_bytes()))
    lines = list(book.active.values)
    assert lines[0] == ("index", "question", "A", "B", "C", "D", "prediction", "answer")
    assert lines[4] == (1000008, "Q8?", "dog", "cat", None, None, "A", "A")


def test_gesso_rotates_on_request_and_asks_in_chinese(tmp_path: Path) -> None:
    path = write_table(tmp_path / "cn.tsv", [_row(7)])
    model = Knows("A")
    report = evaluate(model, MmBench(data=str(path), language="cn", circular=True), Plan(count=99))
    assert [message.text for message in model.asked] == [
        "Q7?\nA. cat\nB. dog\n请直接回答选项字母。",
        "Q7?\nA. dog\nB. cat\n请直接回答选项字母。",
    ]
    assert (report.score, report.scores["animals"].score) == (0.0, 0.5)
    with pytest.raises(UnknownNameError, match="language 'zh'"):
        MmBench(data=str(path), language="zh")
    with pytest.raises(UnknownNameError, match="prompt 'free'"):
        MmBench(data=str(path), prompt="free")


def test_without_answers_the_score_is_left_open(tmp_path: Path) -> None:
    rows = [{name: cell for name, cell in _row(n).items() if name != "answer"} for n in (1, 2)]
    path = write_table(tmp_path / "mmbench_test_en.tsv", rows)
    report = evaluate(Knows("B", "mgm-7b"), MmBench(data=str(path)), Plan(count=9), log=tmp_path / "log")
    assert (report.score, report.scores["read"].score) == (None, 1.0)
    assert "the score is given by MMBench's server: upload mmbench_test_en_upload.xlsx" in report.notes[0]
    assert report.published == ()  # Mini-Gemini's figure is of dev
    assert json.loads((tmp_path / "log" / "report.json").read_text())["score"] is None
    write_table(path, [_row(1)])
    (theirs,) = evaluate(Knows("B", "mgm-7b"), MmBench(data=str(path)), Plan(count=9)).published
    assert (theirs.figure, theirs.value) == ("all", 0.693)


@pytest.mark.parametrize("kind", [MmStar, Ai2d, RealWorldQa])
def test_other_tables_are_asked_in_vlmevalkits_form(tmp_path: Path, kind: Any) -> None:
    path = write_table(tmp_path / "table.tsv", [_row(1), _row(2, answer="B", category="")])
    model = Knows("the dog.")
    report = evaluate(model, kind(data=str(path)), Plan(count=9))
    assert {name: part.score for name, part in report.scores.items()} == {
        "animals": 0,
        "all rows": 1,
        "read": 1,
    }
    assert model.asked[0].text == (
        "Question: Q1?\nOptions:\nA. cat\nB. dog\nPlease select the correct answer from the options above. \n"
    )
    evaluate(model, kind(data=str(path), prompt="letter"), Plan(count=1))
    assert model.asked[-1].text == f"Q1?\nA. cat\nB. dog\n{INSTRUCTION}"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [{"index": 1, "question": "Q", "A": "x"}],
            r"line 1: it has no column image, B, but index, question, A",
        ),
        ([_row(1, image="")], "line 2: it has no picture in column image"),
        ([_row(1, image=99)], "line 2: its picture is said to be that of row '99'"),
        ([_row(1, image="?" * 100)], "line 2: its picture is no base64"),
        ([_row(1, A="", B="")], r"line 2: its options A, B, ... are empty"),
        ([_row(1, question="")], "line 2: it has no index or no question"),
        ([_row(1, question="a\tb")], "line 2: it has 11 cells for 10 columns"),
    ],
)
def test_broken_tables(tmp_path: Path, rows: list[dict[str, Any]], told: str) -> None:
    path = write_table(tmp_path / "table.tsv", rows)
    with pytest.raises(UsageError, match=told):
        evaluate(Knows("A"), MmStar(data=str(path)), Plan(count=9))


def test_a_picture_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.tsv", [_row(1), _row(2, image="AAAA" * 30)])
    with pytest.raises(GessoError, match=r"sample 2: .*table.tsv, line 3: .* cannot be read"):
        evaluate(Knows("A"), MmStar(data=str(path)), Plan(count=9))
    with pytest.raises(UsageError, match="there is no such file"):
        evaluate(Knows("A"), MmStar(data=str(tmp_path / "other.tsv")), Plan(count=9))


def test_an_index_that_is_no_number_has_no_rotations(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.tsv", [_row("x")])
    with pytest.raises(UsageError, match="index 'x' of MMBench is no number"):
        evaluate(Knows("A"), MmBench(data=str(path)), Plan(count=9))


def test_a_missing_extra_is_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_table(tmp_path / "table.tsv", [_row(1)])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    model = Knows("A")
    with pytest.raises(
        MissingExtraError, match=r"openpyxl is not installed; run: pip install 'gesso\[eval\]'"
    ):
        evaluate(model, MmBench(data=str(path)), Plan(count=9))
    assert not model.asked
