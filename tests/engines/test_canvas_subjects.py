import pytest

from engines.planning import canvas
from engines.subjects import reference
from gesso.canvas.subjects import NamedSubject, with_subjects
from gesso.core.errors import UsageError
from gesso.engines.canvas_subjects import find_reference, named_subjects, subject_problems

HERE = canvas("red boat", "blue fish")


def test_names_are_looked_for_in_one_folder(tmp_path):
    reference().save(tmp_path / "boat.png")
    assert find_reference("boat.png", tmp_path, "it") == tmp_path / "boat.png"
    with pytest.raises(UsageError, match=r"it is fish\.png, which is not in .*--references"):
        find_reference("fish.png", tmp_path, "it")
    with pytest.raises(UsageError, match="no folder to look for it"):
        find_reference("boat.png", None, "it")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="is not in"):
        find_reference("folder.png", tmp_path, "it")


def test_nothing_leads_out_of_the_folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    reference().save(tmp_path / "secret.png")
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UsageError, match="is a link to elsewhere"):
        find_reference("link.png", inner, "it")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "..", "", "secret", "a\n.png"):
        with pytest.raises(UsageError, match="plain name"):
            find_reference(name, inner, "it")
    # a folder that is itself a link is the user's own choice
    (tmp_path / "shortcut").symlink_to(inner)
    reference().save(inner / "boat.png")
    assert find_reference("boat.png", tmp_path / "shortcut", "it").is_file()


def test_what_is_missing_of_a_canvas_is_told(tmp_path):
    reference().save(tmp_path / "boat.png")
    named = with_subjects(HERE, ["boat.png", "fish=photo.png"])
    assert named_subjects(named) == {
        1: NamedSubject("boat.png", "boat"),
        2: NamedSubject("photo.png", "fish"),
    }
    (missing,) = subject_problems(named, tmp_path)
    assert missing.startswith(
        "the subject of region 2 of the program ('a blue fish') is photo.png, which is not"
    )
    (unnamed,) = subject_problems(with_subjects(HERE, ["ship=boat.png", None]), tmp_path)
    assert "does not say 'ship'" in unnamed
    assert subject_problems(HERE, tmp_path) == []
    assert len(subject_problems(named, None)) == 2
