"""What the publishers of models report on benchmarks, to be set beside a user's own scores.

Sources: haotian-liu/LLaVA, docs/MODEL_ZOO.md (commit 19d8945); dvlab-research/MGM, README.md (commit
60d021f); infinigence/Infini-Megrez-Omni, README (tables of image and audio understanding, December 2024).
ScienceQA's figure is that of questions with a picture, POPE's the mean F1 of the three categories.

Tolerances are gesso's own choice, wide enough for another machine's rounding and narrow enough to notice a
wrong prompt: half a point; one point where chance or a judge has a part (MMMU's random picks, MM-Vet,
MathVista), two on LLaVA-Bench with its 60 questions; 20 points on MME, by which LLaVA's author saw runs
differ (haotian-liu/LLaVA#864).
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from gesso.engines.catalog import known
from gesso.evaluate.report import ALL, Published

__all__ = ["published_for"]

TABLES: Final = (
    (
        "haotian-liu/LLaVA docs/MODEL_ZOO.md",
        "mmmu-val mathvista-testmini gqa scienceqa:IMG textvqa+ocr pope:F1 mme:perception mme:cognition "
        "mmbench-en-dev mmbench-cn-dev mm-vet vqav2-test-dev vizwiz-test seed-bench seed-bench:image "
        "llava-bench:all~relative",
        """
        llava-v1.6-vicuna-7b | 35.8 34.6 64.2 70.1 64.9 86.5 1519 332 67.4 60.6 43.9 81.8 57.6 - 70.2 81.6
        llava-v1.6-vicuna-13b | 36.2 35.3 65.4 73.6 67.1 86.2 1575 326 70 64.4 48.4 82.8 60.5 - 71.9 87.3
        llava-v1.6-mistral-7b | 35.3 37.7 64.8 72.8 65.7 86.7 1498 321 68.7 61.2 47.3 82.2 60.0 - 72.2 83.2
        llava-v1.6-34b | 51.1 46.5 67.1 81.8 69.5 87.7 1631 397 79.3 79 57.4 83.7 63.8 - 75.9 89.6
        llava-v1.5-7b | - - 62.0 66.8 58.2 85.9 1510.7 - 64.3 58.3 31.1 78.5 50.0 58.6 - 65.4
        llava-v1.5-13b | - - 63.3 71.6 61.3 85.9 1531.3 - 67.7 63.6 36.1 80.0 53.6 61.6 - 72.5
        llava-v1.5-7b-lora | - - 63.0 68.4 58.2 86.4 1476.9 - 66.1 58.9 30.2 79.1 47.8 60.1 - 67.9
        llava-v1.5-13b-lora | - - 63.3 71.2 60.2 86.7 1541.7 - 68.5 61.5 38.3 80.0 58.9 61.3 - 69.5
        """,
    ),
    (
        "dvlab-research/MGM README.md",
        "textvqa+ocr mmbench-en-dev mme:perception mme:cognition mm-vet mmmu-val mmmu-test "
        "mathvista-testmini",
        """
        mgm-2b | 56.2 59.8 1341 312 31.1 31.7 29.1 29.4
        mgm-7b | 65.2 69.3 1523 316 40.8 36.1 32.8 31.4
        mgm-13b | 65.9 68.5 1565 322 46.0 38.1 33.5 37.0
        mgm-8b | 67.6 72.7 1606 341 47.3 38.2 36.3 -
        mgm-8x7b | 69.2 75.6 1639 379 45.8 41.8 37.1 41.8
        mgm-34b | 70.1 79.6 1666 439 53.0 48.7 43.6 38.9
        mgm-7b-hd | 68.4 65.8 1546 319 41.3 36.8 32.9 32.2
        mgm-13b-hd | 70.2 68.6 1597 320 50.5 37.3 35.1 37.0
        mgm-8b-hd | 71.6 - 1532 357 - 37.0 - -
        mgm-8x7b-hd | 71.9 74.7 1633 356 53.5 40.0 37.0 43.1
        mgm-34b-hd | 74.1 80.6 1659 482 59.3 48.0 44.9 43.3
        """,
    ),
    (
        "infinigence/Infini-Megrez-Omni README.md",
        "mme:total mmmu-val ocrbench mathvista-testmini realworldqa mm-vet hallusionbench:mean "
        "mmbench-en-test mmbench-cn-test textvqa ai2d mmstar fleurs-zh-test:character_error_rate "
        "wenetspeech-zh-meeting:character_error_rate",
        """
        megrez-3b-omni | 2315.41 51.89 82.8 62 71.89 54.5 50.12 80.8 82.3 80.3 82.05 60.46 10.8 16.44
        """,
    ),
)
"""Of each source, the benchmarks with their figures, and a row for each model; all but MME's are percents."""

IN_POINTS: Final = "mme"
"""The benchmark whose figures are no percents."""

LOOSE: Final = {"mme": 20.0, "mmmu": 1.0, "mm": 1.0, "mathvista": 1.0, "llava": 2.0}
USUAL: Final = 0.5


def published_for(model: str, benchmark: str) -> tuple[Published, ...]:
    """What is reported of a model on a benchmark; nothing for models that are not in the catalogue.

    Args:
        model: name, repository or folder; transformers' forms of LLaVA count as the original ones.
        benchmark: its name in the table, which says how it was asked ("textvqa+ocr", "mmbench-en-dev").
    """
    row = known(model) or known(model.rstrip("/").rpartition("/")[2])
    if row is None:
        return ()
    name = row.name.removesuffix("-hf").replace("llava-1.5", "llava-v1.5")
    return tuple(_table().get((name, benchmark), ()))


@cache
def _table() -> dict[tuple[str, str], list[Published]]:
    """(model, benchmark) -> figures."""
    found: dict[tuple[str, str], list[Published]] = {}
    for model, benchmark, figure in _figures():
        found.setdefault((model, benchmark), []).append(figure)
    return found


def _figures() -> Iterator[tuple[str, str, Published]]:
    for source, columns, rows in TABLES:
        for line in filter(None, map(str.strip, rows.splitlines())):
            model, _, cells = line.partition(" | ")
            for column, cell in zip(columns.split(), cells.split(), strict=True):
                if cell != "-":
                    yield model, column.partition(":")[0], _figure(column, float(cell), source)


def _figure(column: str, value: float, source: str) -> Published:
    benchmark, _, figure = column.partition(":")
    family = benchmark.partition("-")[0]
    tolerance = LOOSE.get(family, USUAL)
    unit = 1.0 if family == IN_POINTS else 100.0  # reports have shares, tables have percents
    return Published(
        figure.replace("_", " ").replace("~", ": ") or ALL, round(value / unit, 6), tolerance / unit, source
    )
