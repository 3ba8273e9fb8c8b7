"""`gesso eval`: score a model on a task."""

import json
import re
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gesso.api import load
from gesso.cli.loading import quiet_transformers
from gesso.cli.options import with_settings
from gesso.cli.output import err, note, out, say
from gesso.core.digests import weights_digest
from gesso.core.errors import UsageError
from gesso.core.progress import progress_bar
from gesso.engines.folders import folder_of
from gesso.evaluate import TASKS, Plan, evaluate, report_table
from gesso.evaluate.confusion import matrix_table
from gesso.evaluate.judge import Judge, judge_folder

__all__ = ["eval_command"]

INTERRUPTED: Final = 130  # what a shell reports of a program that Ctrl-C ended
OF_ANY_TASK: Final = ("count", "seed", "batch")
FILES: Final = ("data", "media")
OF_JUDGES: Final = "storybook-judge"
USUAL_COUNT: Final = 1000
ALL_THERE_ARE: Final = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is asked: the choices of a task, and which of its samples."""

    # None from here: the task knows the default, and what it does not let one choose is refused
    split: Annotated[
        str | None,
        typer.Option(
            help="storybook: test, novel (unseen kind-colour pairs) or val [test]; others: their own."
        ),
    ] = None
    count: Annotated[
        int | None, typer.Option(help="How many samples [1000; all where they come from --data].")
    ] = None
    seed: Annotated[int, typer.Option(help="Which samples: scenes are made from it when needed.")] = 0
    language: Annotated[str | None, typer.Option(help="en or zh; mmbench: en or cn [en].")] = None
    size: Annotated[
        int | None,
        typer.Option(help="Side of the pictures shown, in pixels [96; 256 for signs, 128 for a judge]."),
    ] = None
    detail: Annotated[
        str | None,
        typer.Option(help="storybook-signs: high, or low: a Mini-Gemini's second tower is off [high]."),
    ] = None
    kinds: Annotated[
        str | None, typer.Option(help="storybook-vqa: kinds of question, as a,b,c; -canvas: plan, edit.")
    ] = None
    guidance: Annotated[
        str | None,
        typer.Option(
            help="storybook-paint: attention-scores, attention-decomposition, multidiffusion, gradient, "
            "joined or none [attention-scores]."
        ),
    ] = None
    steps: Annotated[int | None, typer.Option(help="storybook-paint: steps of the sampler.")] = None
    scale: Annotated[float | None, typer.Option(help="storybook-paint: guidance scale.")] = None
    judge: Annotated[
        str | None, typer.Option(help="storybook-paint: folder of the judge [the one in the package].")
    ] = None
    data: Annotated[
        str | None,
        typer.Option(help="Published benchmarks: the official file, or the folder with all of them."),
    ] = None
    media: Annotated[str | None, typer.Option(help="fleurs, wenetspeech: folder of the recordings.")] = None
    adapter: Annotated[
        str | None,
        typer.Option(help="storybook-subject: moma, ip-adapter or background-swap; -subjects: moma, words or "
                     "full-words [moma]."),
    ] = None  # fmt: skip
    adapter_from: Annotated[
        str | None,
        typer.Option(help="storybook-subject: file or folder of the IP-Adapter [the model's folder]."),
    ] = None
    strength: Annotated[
        float | None, typer.Option(help="storybook-subject, -subjects: how much references count [1].")
    ] = None
    ocr: Annotated[
        bool | None, typer.Option("--ocr/--no-ocr", help="textvqa: with OCR tokens in the prompts [yes].")
    ] = None
    circular: Annotated[
        bool | None,
        typer.Option("--circular/--as-it-stands", help="mmbench: in all rotations of the options."),
    ] = None
    prompt: Annotated[
        str | None,
        typer.Option(help="Multiple choice in tables: letter (LLaVA's form) or select (VLMEvalKit's)."),
    ] = None
    pictures: Annotated[str | None, typer.Option(help="mmmu: first or all of a question [first].")] = None
    judge_url: Annotated[
        str | None,
        typer.Option(
            help="mm-vet, llava-bench, mathvista: OpenAI-compatible server of a judge [key: GESSO_API_KEY]."
        ),
    ] = None
    judge_model: Annotated[str | None, typer.Option(help="The judge's name there.")] = None
    clip: Annotated[
        str | None, typer.Option(help="storybook-subject: the CLIP for CLIP-I and CLIP-T [mini-clip].")
    ] = None
    dino: Annotated[
        str | None, typer.Option(help="storybook-subject: folder of a DINO for that measure [left out].")
    ] = None
    batch: Annotated[int, typer.Option(help="Samples the model gets at once.")] = 32

    @property
    def plan(self) -> Plan:
        """Which samples; of official files all."""
        usual = USUAL_COUNT if self.data is None else ALL_THERE_ARE
        return Plan(count=usual if self.count is None else self.count, seed=self.seed, batch=self.batch)

    def task(self, name: str) -> Any:
        """The task of this name; what it does not let one choose is refused."""
        task = TASKS[name]
        known = {field.name for field in fields(task)}
        given = {option: value for option, value in asdict(self).items() if value is not None}
        options = {option: value for option, value in given.items() if option not in OF_ANY_TASK}
        for option in options:
            if option not in known:
                words = option.replace("_", "-")
                raise UsageError(f"{name} has no {words} to choose; leave --{words} out")
        absent = [field.name for field in fields(task) if field.name in FILES and field.name not in options]
        if absent:
            raise UsageError(f"{name} needs --{' and --'.join(absent)}")
        if self.kinds is not None:
            options["kinds"] = tuple(part.strip() for part in self.kinds.split(","))
        return task(**options)

    def folder(self, model: str, task: Any) -> Path:
        """Where log and report lie, named by what is asked: the same command finds its log again."""
        # languages and strategies are compared side by side; whoever varies other choices names the folders
        chosen = self.language, self.detail, self.guidance, self.adapter
        parts = (_file_name(model), task.name, _file_name(task.split), str(self.seed), *chosen)
        return Path("runs/eval") / "-".join(filter(None, parts))


@with_settings(wanted=_Wanted)
def eval_command(
    model: Annotated[str, typer.Argument(help="A model's name (see `gesso models`) or folder.")],
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="For log and report [runs/eval/MODEL-TASK-SPLIT-SEED...].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
    *,
    wanted: _Wanted,
) -> None:
    """Score a model; every answer is logged, and an interrupted evaluation goes on where it was."""
    quiet_transformers()
    # wrong choices are told before the model, which may be large, is loaded
    chosen, plan = wanted.task(task), wanted.plan
    place = judge_folder(model) if task == OF_JUDGES else folder_of(model)
    log = folder or wanted.folder(model, chosen)
    try:
        with progress_bar(err) as progress:
            bar = progress.add_task(task, total=None if plan.count == ALL_THERE_ARE else plan.count)
            report = evaluate(
                # a judge is no model of the catalogue
                Judge.load(model) if task == OF_JUDGES else load(model),
                chosen,
                plan,
                log=log,
                weights=weights_digest(place),
                progress=lambda done: progress.update(bar, completed=done),
            )
    except KeyboardInterrupt as stop:
        note(f"stopped; the same command goes on from the log in {log}")
        raise typer.Exit(INTERRUPTED) from stop
    if as_json:
        say(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        out.print(report_table(report))
        for title, matrix in report.matrices.items():
            out.print(matrix_table(title, matrix))
        for line in report.notes:
            say(line)
        for measure, remedy in getattr(chosen, "left_out", {}).items():
            note(f"{measure} is left out; {remedy}")
        say(f"log and report: {log}")


def _file_name(model: str) -> str:
    """A model's name or path as part of a file name."""
    # a model may be a path: its slashes would make folders, and leading dots hidden ones
    return re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model"
