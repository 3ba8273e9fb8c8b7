"""`python -m gesso` is the command `gesso`."""

from gesso.cli.main import run

if __name__ == "__main__":
    run()
