"""Runs every case of reference results below the folder in GESSO_FIXTURES (default tests/fixtures)."""

import json
import os
from pathlib import Path

import pytest

from parity import (
    batch_order,
    llava_inputs,
    llava_model,
    megrez_inputs,
    megrez_model,
    mgm_inputs,
    mgm_model,
    moma_paint,
    moma_reader,
    omost_canvas,
    omost_chat,
    omost_paint,
    scorers,
    train_steps,
)

ROOT = Path(os.environ.get("GESSO_FIXTURES", Path(__file__).parents[1] / "fixtures"))
CHECKS = {**llava_inputs.CHECKS, **llava_model.CHECKS, **omost_canvas.CHECKS, **omost_paint.CHECKS}
CHECKS |= {**omost_chat.CHECKS, **mgm_inputs.CHECKS, **mgm_model.CHECKS}
CHECKS |= {**megrez_inputs.CHECKS, **megrez_model.CHECKS}
CHECKS |= {**moma_paint.CHECKS, **moma_reader.CHECKS}
CHECKS |= {**batch_order.CHECKS, **train_steps.CHECKS, **scorers.CHECKS}
CASES = sorted(path.parent for path in ROOT.rglob("case.json"))


def test_there_are_cases():
    assert CASES, f"no case.json below {ROOT}; set GESSO_FIXTURES to a folder of cases"


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case.relative_to(ROOT))) for case in CASES])
def test_case(case: Path):
    kind = json.loads((case / "case.json").read_text(encoding="utf-8"))["kind"]
    assert kind in CHECKS, f"{case} is of kind {kind!r}, which no check knows; known: {sorted(CHECKS)}"
    CHECKS[kind](case)
