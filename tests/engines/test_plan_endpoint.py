import subprocess
import sys

import pytest

from engines.planning import canvas, program
from engines.test_plan_remote import Stub, stub  # noqa: F401  # a fixture
from gesso.core.errors import UsageError
from gesso.engines.plan_endpoint import GENERAL_SETTINGS, endpoint_planner
from gesso.models.omost.prompts import GENERAL_PROMPT, SYSTEM_PROMPT


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("qwen3-8b", GENERAL_PROMPT),
        ("lllyasviel/omost-llama-3-8b", SYSTEM_PROMPT),
        ("Omost-4bit", SYSTEM_PROMPT),
    ],
)
def test_a_model_is_told_what_it_needs(stub: Stub, name: str, system: str) -> None:  # noqa: F811
    stub.say(program("red fish"))
    planner = endpoint_planner(stub.url, name, context=9000)  # type: ignore[attr-defined]
    assert planner.plan("a fish").canvas == canvas("red fish")
    ((_, _, body),) = stub.asked
    assert body["model"] == name
    assert body["messages"][0] == {"role": "system", "content": system}
    assert planner.writer.context == 9000


def test_addresses_are_checked() -> None:
    with pytest.raises(UsageError, match="must begin with http"):
        endpoint_planner("localhost:8000", "qwen")
    assert GENERAL_SETTINGS.system == GENERAL_PROMPT


def test_torch_is_not_needed() -> None:
    code = (
        "import sys, gesso.engines.plan_endpoint, gesso.engines.canvas_files; print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
