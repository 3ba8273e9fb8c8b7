import pytest

from gesso.core.errors import UsageError
from gesso.engines.options import LoadOptions


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:3"])
def test_devices_are_taken(device: str) -> None:
    assert LoadOptions(device=device).device == device


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("device", "gpu", "cuda:N"),
        ("device", "cuda:x", "cuda:N"),
        ("dtype", "fp8", "bfloat16"),
        ("threads", 0, "1"),
    ],
)
def test_other_values_are_refused_with_what_is_allowed(field: str, value: object, allowed: str) -> None:
    with pytest.raises(UsageError, match=allowed):
        LoadOptions(**{field: value})
