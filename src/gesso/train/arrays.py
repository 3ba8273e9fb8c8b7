"""Arrays on disk that several processes fill."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["open_array"]

Number = TypeVar("Number", bound=np.generic)


def open_array(path: Path, shape: tuple[int, ...], dtype: type[Number]) -> NDArray[Number]:
    """The array in a .npy file, read and written in place; made of zeros if there is none.

    A sparse file: pages take room on disk only once something is written to them.
    """
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.npy")
        np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        with suppress(FileExistsError):  # another process was first; its file is as good
            os.link(temporary, path)
        temporary.unlink()
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r+")
    return array
