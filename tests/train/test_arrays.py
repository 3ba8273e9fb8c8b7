from pathlib import Path

import numpy as np
import pytest

from gesso.train.arrays import open_array


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_what_is_written_is_read_by_the_next(tmp_path: Path, dtype: type[np.generic]) -> None:
    path = tmp_path / "numbers.npy"
    first = open_array(path, (3, 2), dtype)
    assert first.dtype == dtype
    assert not first.any()
    first[1] = 5
    second = open_array(path, (3, 2), dtype)
    assert second.tolist() == [[0, 0], [5, 5], [0, 0]]
    assert [file.name for file in tmp_path.iterdir()] == ["numbers.npy"]
