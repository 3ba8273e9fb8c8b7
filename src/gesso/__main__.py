"""`python -m gesso` is the command `gesso`."""

from gesso.cli.main import run

run()
