"""`gesso models` and `gesso doctor`: what there is to run, and what this machine can run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from gesso.cli.output import err, note, out, say
from gesso.core.errors import CheckpointError
from gesso.engines.catalog import ModelRow, find, mini_folder, model_rows

if TYPE_CHECKING:
    from gesso.engines.machine import Machine, Verdict

__all__ = ["app", "doctor_command", "models_command", "show_command"]

app = typer.Typer(help="List the models gesso knows.", invoke_without_command=True, rich_markup_mode="rich")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def models_command(context: typer.Context, as_json: Json = False) -> None:
    """List the models gesso knows."""
    # `gesso models show` comes through here, too
    if context.invoked_subcommand is not None:
        return
    if as_json:
        say(json.dumps([_facts(row) for row in model_rows()], ensure_ascii=False, indent=1))
        return
    heads = ("model", "takes > gives", "runs", "parameters", "GB at 16/8/4 bit", "licence", "about")
    # a name broken over two lines cannot be copied
    table = Table(*(Column(head, no_wrap=head != "about") for head in heads), box=None)
    for row in model_rows():
        table.add_row(*_cells(row), style=None if row.runnable else "dim")
    out.print(table)


@app.command("show")
def show_command(name: Annotated[str, typer.Argument(help="Name or repository.")]) -> None:
    """Show a model's card."""
    from rich.markdown import Markdown  # slow to import

    row = find(name)
    card, missing = _own_card(row)
    if card is None:
        out.print(Markdown(_card(row)))
        if missing:
            note(missing)
    # rendered for eyes; a pipe gets the Markdown itself, with its YAML head
    elif out.is_terminal:
        out.print(Markdown(_without_head(card.read_text("utf-8"))))
    else:
        say(card.read_text("utf-8"), end="")


def doctor_command(as_json: Json = False) -> None:
    """Say what this machine can run, and why not the rest."""
    # importing torch takes seconds, which without a sign would look like a hang
    with err.status("looking"):
        from gesso.engines.machine import inspect, judge, missing_packages

        machine = inspect()
        verdicts = {row.name: judge(row, machine) for row in model_rows()}
        extras = missing_packages()
    if as_json:
        models = {name: asdict(verdict) for name, verdict in verdicts.items()}
        say(json.dumps({"machine": asdict(machine), "missing": extras, "models": models}, indent=1))
        return
    _print_machine(machine, extras)
    _print_verdicts(verdicts)


def _print_machine(machine: "Machine", extras: dict[str, list[str]]) -> None:
    gpus = ", ".join(f"{gpu.name} ({gpu.memory:.0f} GB)" for gpu in machine.gpus)
    table = Table(box=None, show_header=False)
    table.add_row("python", machine.python)
    table.add_row("torch", f"{machine.torch}, transformers {machine.transformers}")
    table.add_row("CPU", f"{machine.cores} cores, {machine.memory:.0f} GB of memory")
    table.add_row("GPU", gpus or "none: models run on the CPU")
    for extra, packages in sorted(extras.items()):
        # \[ as rich would read [train] as a style
        state = f"missing {', '.join(packages)}; pip install 'gesso\\[{extra}]'" if packages else "installed"
        table.add_row(f"extra {extra}", state)
    out.print(table)


def _print_verdicts(verdicts: dict[str, "Verdict"]) -> None:
    marks = {"ready": "[green]ready[/green]", "fetch": "[yellow]fetch[/yellow]", "no": "[dim]no[/dim]"}
    table = Table("model", "runs here", "why not, or what to do", box=None)
    for name, verdict in verdicts.items():
        table.add_row(name, marks[verdict.state], verdict.reason)
    out.print(table)


def _facts(row: ModelRow) -> dict[str, Any]:
    # strings, as JSON has no other keys
    memory = {f"{bits}": round(row.memory(bits), 1) for bits in (16, 8, 4)} if row.parameters else None
    return {**asdict(row), "runnable": row.runnable, "memory_gb": memory}


def _cells(row: ModelRow) -> tuple[str, ...]:
    return (
        row.name,
        f"{'+'.join(row.takes)} > {row.gives}",
        "yes" if row.runnable else f"from {row.since}",
        _parameters(row),
        _memory(row),
        row.licence,
        row.about,
    )


def _parameters(row: ModelRow) -> str:
    if not row.parameters:
        return ""
    return f"{row.parameters / 1e9:.1f} B" if row.parameters >= 10**9 else f"{row.parameters / 1e6:.1f} M"


def _memory(row: ModelRow) -> str:
    if not row.parameters:
        return ""
    # minis weigh megabytes
    digits = 1 if row.parameters >= 10**9 else 3
    return " / ".join(f"{row.memory(bits):.{digits}f}" for bits in (16, 8, 4))


def _own_card(row: ModelRow) -> tuple[Path | None, str]:
    """The card that lies with a mini's weights, or why there is none; "" where none is to be expected."""
    if not (row.mini and row.runnable):
        return None, ""
    try:
        card = mini_folder(row) / "README.md"
    except CheckpointError as error:
        return None, str(error)
    return (card, "") if card.is_file() else (None, f"{card} is missing")


def _card(row: ModelRow) -> str:
    """A card made of the catalogue's facts, for models whose own card lies elsewhere."""
    facts = {
        "System": row.system,
        "Takes": ", ".join(row.takes),
        "Gives": row.gives,
        "Parameters": _parameters(row),
        "Weights in GB at 16/8/4 bit": _memory(row),
        "Licence": row.licence,
        "Repository": row.repository and f"https://huggingface.co/{row.repository}",
        "Also needs": ", ".join(row.needs),
        "Runs": f"since gesso {row.since}" if row.runnable else f"not yet; planned for gesso {row.since}",
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value]
    return f"# {row.name}\n\n{row.about}\n\n" + "\n".join(lines)


def _without_head(card: str) -> str:
    """A model card without the YAML block before it."""
    return card.split("\n---\n", 1)[-1] if card.startswith("---\n") else card
