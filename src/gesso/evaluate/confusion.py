"""Confusion matrices: what was seen where, with a standard error for each share.

A task notes cells among the further figures of its records, by the names that `cell` gives; the report puts
them together.
"""

import re
from collections.abc import Mapping
from typing import Final

from rich.table import Table

from gesso.evaluate.score import Score

__all__ = ["Matrix", "cell", "matrix_table", "with_matrices"]

Matrix = tuple[tuple[Score, ...], ...]
"""Rows of scores; rows and columns are counted from 1 where people see them."""

_CELL: Final = re.compile(r"(.+) \[(\d+),(\d+)\]")


def cell(title: str, row: int, column: int) -> str:
    """Name of a cell of a matrix, counted from 0."""
    return f"{title} [{row + 1},{column + 1}]"


def with_matrices(scores: Mapping[str, Score]) -> tuple[dict[str, Score], dict[str, Matrix]]:
    """Scores without the cells of matrices, and the matrices by their titles."""
    plain: dict[str, Score] = {}
    cells: dict[str, dict[tuple[int, int], Score]] = {}
    for name, score in scores.items():
        found = _CELL.fullmatch(name)
        if found is None:
            plain[name] = score
        else:
            cells.setdefault(found[1], {})[int(found[2]), int(found[3])] = score
    return plain, {title: _rows(found) for title, found in sorted(cells.items())}


def matrix_table(title: str, matrix: Matrix, row: str = "subject", column: str = "in region") -> Table:
    """A matrix for people: shares with their standard errors.

    Args:
        title: of the matrix.
        matrix: its rows.
        row: what a row is of.
        column: what a column is of.
    """
    table = Table(title=f"{title}, n {matrix[0][0].n}")
    table.add_column("")
    for number in range(len(matrix[0])):
        table.add_column(f"{column} {number + 1}", justify="right")
    for number, scores in enumerate(matrix, 1):
        table.add_row(f"{row} {number}", *(f"{each.score:.3f} ± {each.stderr:.3f}" for each in scores))
    return table


def _rows(cells: Mapping[tuple[int, int], Score]) -> Matrix:
    rows, columns = (sorted({place[axis] for place in cells}) for axis in (0, 1))
    return tuple(tuple(cells[row, column] for column in columns) for row in rows)
