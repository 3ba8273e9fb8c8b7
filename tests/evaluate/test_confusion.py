from io import StringIO

from rich.console import Console

from gesso.evaluate.confusion import cell, matrix_table, with_matrices
from gesso.evaluate.report import Report, report_table, summarise
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record


def record(number, cells):
    return Record(str(number), "2 subjects", "", "", "", 1.0, cells)


CELLS = [
    {cell("of 2", 0, 0): 1.0, cell("of 2", 0, 1): 0.0, cell("of 2", 1, 0): 1.0, cell("of 2", 1, 1): 1.0},
    {cell("of 2", 0, 0): 1.0, cell("of 2", 0, 1): 0.0, cell("of 2", 1, 0): 0.0, cell("of 2", 1, 1): 0.0},
]


def test_cells_become_a_matrix_with_errors_and_the_rest_stays():
    _, parts = summarise([record(n, {**cells, "own": 0.5}) for n, cells in enumerate(CELLS)])
    scores, matrices = with_matrices(parts)
    assert sorted(scores) == ["2 subjects", "own"]
    ((first, second),) = [[[each.score for each in row] for row in rows] for rows in matrices.values()]
    assert (first, second) == ([1.0, 0.0], [0.5, 0.5])
    assert list(matrices) == ["of 2"]
    assert matrices["of 2"][1][0] == Score.of([1.0, 0.0])
    assert with_matrices({"own [x]": Score(1, 0, 1)}) == ({"own [x]": Score(1, 0, 1)}, {})


def test_a_matrix_is_printed_with_its_errors():
    _, matrices = with_matrices(summarise([record(n, cells) for n, cells in enumerate(CELLS)])[1])
    console = Console(width=100, record=True, file=StringIO())
    console.print(matrix_table("of 2", matrices["of 2"]))
    said = console.export_text()
    for part in ("of 2, n 2", "subject 1", "in region 2", "1.000 ± 0.000", "0.500 ± 0.500"):
        assert part in said


def test_reports_hold_matrices_only_where_there_are_some():
    report = Report("t", "m", "test", 0, 1, 1.0, 0.0, {})
    assert "matrices" not in report.to_dict()
    _, matrices = with_matrices(summarise([record(0, CELLS[0])])[1])
    told = Report("t", "m", "test", 0, 1, 1.0, 0.0, {}, matrices).to_dict()["matrices"]
    assert told["of 2"][0][0] == {"score": 1.0, "stderr": 0.0, "n": 1}
    assert report_table(report).row_count == 1
