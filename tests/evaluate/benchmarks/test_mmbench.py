from io import BytesIO

import openpyxl
from hypothesis import given
from hypothesis import strategies as st

from gesso.evaluate.benchmarks.mmbench import circular_hits, upload_columns, workbook


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans())))
def test_a_question_is_right_if_all_its_rounds_are(hits: list[tuple[int, int, bool]]) -> None:
    found = circular_hits((question + turn * 1_000_000, right) for question, turn, right in hits)
    expected: dict[int, bool] = {}
    for question, _, right in hits:
        expected[question] = expected.get(question, True) and right
    assert found == expected


def test_the_workbook_is_read_back() -> None:
    columns = upload_columns(["index", "question", "hint", "A", "B", "C", "D", "answer", "image"])
    assert columns == ["index", "question", "A", "B", "C", "D", "prediction", "answer"]
    rows = [{"index": 3, "question": "Q?", "A": "x", "B": "y", "C": None, "D": "nan", "prediction": "B"}]
    sheet = openpyxl.load_workbook(BytesIO(workbook(columns, rows))).active
    assert list(sheet.values) == [tuple(columns), (3, "Q?", "x", "y", None, None, "B", None)]
