"""README and documentation say what is: their examples run, their names, links and figures are right."""

import doctest
import re
import runpy
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from gesso.cli.main import LATER, app
from gesso.config.load import load_recipe
from gesso.core.errors import CheckpointError
from gesso.core.registry import import_target
from gesso.engines.catalog import ModelRow, find, known, mini_folder
from source_tree import module_files

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")))
    if "_build" not in path.parts
)
FENCE = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORDS_BEFORE_A_COMMAND = 80
UNNAMED = {
    "plan": ("mini-omost",),
    "paint": ("mini-omost", "mini-sdxl"),
    "repaint": ("mini-omost", "mini-sdxl"),
    "transcribe": ("mini-omni",),
}
"""Models that a command takes where none is named."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    return [found.groups() for found in FENCE.finditer(text_of(page)) if found[1] in languages]


def commands(block: str) -> Iterator[list[str]]:
    """The arguments of each gesso command of a console block."""
    lines = block.replace("\\\n", " ").splitlines()
    return (shlex.split(line, comments=True)[2:] for line in lines if line.startswith("$ gesso "))


def needs_more_than_this_machine(arguments: list[str]) -> bool:
    """Whether a command trains, or loads a checkpoint that would have to be fetched."""
    rows = filter(None, map(known, arguments))
    return arguments[0] == "train" or any(not row.mini for row in rows)


def lacks_a_mini(wanted: list[str]) -> bool:
    """Whether an embedded model among these names is not part of this checkout."""
    return any(row.mini and not _installed(row) for row in filter(None, map(known, wanted)))


def _installed(row: ModelRow) -> bool:
    try:
        return mini_folder(row).is_dir()
    except CheckpointError:
        return False


def parse(arguments: list[str]) -> None:
    """Let the command line take arguments apart, without running anything; wrong ones raise."""
    command, name, rest = get_command(app), "gesso", arguments
    if arguments[0] in LATER:  # the list's own entry lets everything through
        name, rest = arguments[0], arguments[1:]
        command = get_command(_as_app(import_target(LATER[name][0])))
    while hasattr(command, "commands"):
        context = command.make_context(name, list(rest), resilient_parsing=True)
        name, command, rest = command.resolve_command(context, list(rest))
    command.make_context(name, list(rest))


def _as_app(target: Any) -> typer.Typer:
    if isinstance(target, typer.Typer):
        return target
    made = typer.Typer()
    made.command()(target)
    return made


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python", "console")])
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = True  # as long as everything ran: what follows may need what was made before
    for number, (language, block) in enumerate(blocks(page, "python", "console")):
        if language == "python":
            whole = whole and not lacks_a_mini(re.findall(r'"(mini-\w+)"', block))
            if not whole:
                compile(block, page, "exec")
                continue
            script = tmp_path / f"block_{number}.py"
            script.write_text(block, encoding="utf-8")
            runpy.run_path(str(script))
            continue
        for arguments in commands(block):
            own = needs_more_than_this_machine(arguments)
            whole = whole and (own or not lacks_a_mini([*arguments, *UNNAMED.get(arguments[0], ())]))
            if own or not whole:
                parse(arguments)
            else:
                result = CliRunner().invoke(app, arguments, catch_exceptions=False)
                assert result.exit_code == 0, f"gesso {shlex.join(arguments)}\n{result.output}"
                assert result.output


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "{doctest}")])
def test_doctests_hold(page: str) -> None:
    text = "\n".join(block for _, block in blocks(page, "{doctest}"))
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_recipes_in_commands_load(page: str) -> None:
    for _, block in blocks(page, "console"):
        for verb, *arguments in commands(block):
            if verb == "train":
                recipe, *overrides = [word for word in arguments if not word.startswith("--")]
                assert load_recipe(recipe, overrides).about


@pytest.mark.parametrize("page", PAGES)
def test_names_in_the_text_exist(page: str) -> None:
    for name in re.findall(r"`(gesso(?:\.\w+)+)`", text_of(page)):
        assert _resolves(name), name


def _resolves(name: str) -> bool:
    module = name
    while module not in module_files():
        module = module.rpartition(".")[0]
    value: Any = import_module(module)
    for part in filter(None, name.removeprefix(module).split(".")):
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_in_the_text_exist(page: str) -> None:
    text = re.sub(FENCE, "", text_of(page))
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not ((ROOT / page).parent / link).exists()]
    paths = re.findall(r"`((?:src|docs|tests|benchmarks|scripts)/[\w./-]+)`", text)
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert not missing


def test_readme_comes_to_the_point() -> None:
    before = text_of("README.md").partition("```")[0]
    words = re.sub(r"!?\[([^]]*)\]\([^)]*\)|<[^>]*>", "", before).split()
    assert len(words) <= WORDS_BEFORE_A_COMMAND


def test_memory_in_the_readme_is_the_catalogues() -> None:
    rows = re.findall(r"^\| `(\S+/\S+)` \|.*\| ([\d.]+) GB \|", text_of("README.md"), re.MULTILINE)
    assert len(rows) >= 8
    for repository, memory in rows:
        row = find(repository)
        assert row.runnable
        assert f"{row.memory(16):.1f}" == memory, repository
