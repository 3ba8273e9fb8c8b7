"""Draws docs/images/subject_curve.png: what a higher strength gains of the subject and costs of the context.

The task storybook-subject is run once for each strength, with a log for each, so the same command goes on
where it was. A background swap is the one extreme: all of the subject, and of the context what luck gives.

Run: python docs/images/subject_curve.py mini-moma --count 200
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from rich.console import Console

import gesso
from gesso.core.digests import weights_digest
from gesso.engines.folders import folder_of
from gesso.evaluate import Plan, Report, evaluate
from gesso.evaluate.tasks.subject import StorybookSubject

STRENGTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5)
SWAP: Final = "background-swap"


def main() -> None:
    """Read the command line, evaluate, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-moma", help="what paints given subjects")
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--count", type=int, default=200, help="pictures for each strength")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="test")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--judge", help="folder of the judge; by default that of the package")
    parser.add_argument("--logs", type=Path, default=Path("runs/eval/subject-curve"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".png"))
    chosen = parser.parse_args()
    given = {name: getattr(chosen, name) for name in ("split", "steps", "judge")}
    tasks = {f"{each:g}": StorybookSubject(strength=each, **given) for each in sorted(chosen.strengths)}
    tasks[SWAP] = StorybookSubject(adapter=SWAP, **given)
    model, weights = gesso.load(chosen.model), weights_digest(folder_of(chosen.model))
    plan = Plan(count=chosen.count, seed=chosen.seed)
    reports, console = {}, Console()
    for name, task in tasks.items():
        reports[name] = evaluate(model, task, plan, log=chosen.logs / name, weights=weights)
        subject, context = (reports[name].scores[each] for each in ("subject", "context"))
        console.print(f"{name}: subject {subject.score:.3f} ± {subject.stderr:.3f}, "
                      f"context {context.score:.3f} ± {context.stderr:.3f}, n {subject.n}")  # fmt: skip
    swap = reports.pop(SWAP)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    curve(list(reports), list(reports.values()), swap).savefig(chosen.out, dpi=120)


def curve(names: Sequence[str], reports: Sequence[Report], swap: Report) -> Figure:
    """Subject against context, a point for each strength, with one standard error each way.

    Args:
        names: the strengths, from low to high.
        reports: of the task at each of them.
        swap: of the background swap.
    """
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    subject, context = ([each.scores[name] for each in reports] for name in ("subject", "context"))
    axes.errorbar(
        [each.score for each in context], [each.score for each in subject],
        xerr=[each.stderr for each in context], yerr=[each.stderr for each in subject],
        marker="o", capsize=2, linewidth=1, label="by strength",
    )  # fmt: skip
    for name, x, y in zip(names, context, subject, strict=True):
        axes.annotate(name, (x.score, y.score), textcoords="offset points", xytext=(6, 5))
    x, y = swap.scores["context"], swap.scores["subject"]
    axes.errorbar(x.score, y.score, xerr=x.stderr, yerr=y.stderr, marker="s", capsize=2, label=SWAP)
    axes.set(
        xlabel=f"context followed (n {x.n})", ylabel="subject kept", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02)
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
    return figure


if __name__ == "__main__":
    main()
