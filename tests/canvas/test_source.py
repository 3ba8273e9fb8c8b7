from dataclasses import replace
from math import inf

from canvas.examples import BOAT, HARBOUR
from gesso.canvas.source import GLOBAL, LOCAL, fenced_block, global_call, local_call


def names_of(call: str) -> tuple[str, ...]:
    return tuple(line.strip().partition("=")[0] for line in call.splitlines()[1:-1])


def test_calls_name_every_argument_in_order() -> None:
    assert names_of(global_call(HARBOUR)) == GLOBAL
    assert names_of(local_call(BOAT)) == LOCAL
    assert local_call(replace(BOAT, setting=())) == local_call(BOAT)


def test_values_are_written_as_python_reads_them() -> None:
    call = local_call(replace(BOAT, description='It\'s "open"\n', distance_to_viewer=inf))
    assert """description='It\\'s "open"\\n',""" in call
    assert "distance_to_viewer=1e999," in call


def test_a_block_has_fences() -> None:
    assert fenced_block("a\n") == "```python\na\n```"
