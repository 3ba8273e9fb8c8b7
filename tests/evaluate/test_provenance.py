import subprocess
from pathlib import Path

import pytest

import gesso
from gesso.evaluate.provenance import made_by, source_commit


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one commit of `a.py`."""
    (tmp_path / "a.py").write_text("1\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", "a.py")
    _git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "one")
    return tmp_path


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_tracked_file_has_its_commit(repository: Path) -> None:
    assert source_commit(repository / "a.py") == _git(repository, "rev-parse", "HEAD")


def test_changes_are_told(repository: Path) -> None:
    (repository / "a.py").write_text("2\n")
    assert source_commit(repository / "a.py") == _git(repository, "rev-parse", "HEAD") + "+changes"


def test_a_package_inside_somebody_elses_repository_has_none(repository: Path) -> None:
    (repository / "b.py").write_text("1\n")
    assert source_commit(repository / "b.py") is None


def test_outside_of_git_there_is_none(tmp_path: Path) -> None:
    assert source_commit(tmp_path / "a.py") is None


def test_versions_are_told() -> None:
    made = made_by()
    assert made["gesso"] == gesso.__version__
    assert set(made) == {"gesso", "torch", "transformers", "commit"}
