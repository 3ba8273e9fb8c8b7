import os
import subprocess
import sys

import pytest

import gesso as package
from cli.run import Gesso
from gesso.cli import chat
from gesso.cli.main import LATER

PROGRAM = [sys.executable, "-c", "from gesso.cli.main import run; run()"]
PROBE = """
import sys
sys.argv = ["gesso", *{arguments!r}]
from gesso.cli.main import run
try:
    run()
finally:
    print("torch" in sys.modules, "transformers" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["ask", "--help"], ["chat", "--help"], ["models"], ["models", "show", "mgm-7b"],
     ["storybook", "make", "--help"], ["plan", "--help"], ["canvas", "--help"], ["canvas", "edit", "--help"],
     ["--version"]],
)  # fmt: skip
def test_help_and_lists_import_no_torch(arguments: list[str]) -> None:
    code = PROBE.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.strip() == "False False"
    assert done.stdout


def test_version(gesso: Gesso) -> None:
    assert gesso("--version").out.strip() == package.__version__


@pytest.mark.parametrize("arguments", [["frobnicate"], ["ask", "--frobnicate"], ["ask", "hi", "--top-k"]])
def test_what_the_command_line_does_not_have_is_wrong_usage(gesso: Gesso, arguments: list[str]) -> None:
    outcome = gesso(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert arguments[-1] in outcome.err


def test_an_error_is_one_message_without_a_traceback(gesso: Gesso) -> None:
    outcome = gesso("ask", "hi", "--model", "mini-lava")
    assert outcome.code == 2
    assert outcome.err.startswith("error: unknown model 'mini-lava'; did you mean mini-llava")
    assert "Traceback" not in outcome.err


def test_debug_shows_where_an_error_came_from(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESSO_DEBUG", "")  # so that it is put back afterwards
    outcome = gesso("--debug", "ask", "hi", "--model", "mini-lava")
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert "error: unknown model" in outcome.err


def test_an_interrupt_ends_with_130(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(chat, "load_model", press)
    outcome = gesso("ask", "hi")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


def test_a_reader_that_leaves_early_does_no_harm() -> None:
    script = f"{sys.executable} -c 'from gesso.cli.main import run; run()' models | head -n 1"
    done = subprocess.run(script, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_no_colour_where_none_is_wanted() -> None:
    env = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "1"}
    plain = subprocess.run([*PROGRAM, "models"], env=env, capture_output=True, text=True, check=True)
    assert "\x1b[3" not in plain.stdout


@pytest.mark.parametrize("verb", sorted(LATER))
def test_later_verbs_are_listed_and_hand_their_help_on(gesso: Gesso, verb: str) -> None:
    assert f" {verb} " in gesso("--help").out
    outcome = gesso(verb, "--help")
    assert outcome.code == 0
    assert f"Usage: gesso {verb} [OPTIONS]" in outcome.out
    assert LATER[verb][1].split(":")[0].rstrip(".") in " ".join(gesso("--help").out.split())
