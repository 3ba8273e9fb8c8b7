from collections.abc import Callable

import pytest
from PIL import Image


@pytest.fixture
def grey() -> Callable[..., Image.Image]:
    """Pictures of a given size that are not of one colour."""

    def make(width: int, height: int) -> Image.Image:
        return Image.linear_gradient("L").resize((width, height)).convert("RGB")

    return make
