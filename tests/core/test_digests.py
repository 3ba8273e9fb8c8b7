from pathlib import Path

from gesso.core.digests import weights_digest


def test_the_digest_changes_with_any_weight_and_nothing_else(tmp_path: Path) -> None:
    assert weights_digest(tmp_path) == ""
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = weights_digest(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert weights_digest(tmp_path) == first
    assert len(first) == 16
    (tmp_path / "model.safetensors").write_bytes(b"two")
    second = weights_digest(tmp_path)
    assert second != first
    # painters have a folder for each part
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"one")
    third = weights_digest(tmp_path)
    assert third not in (first, second)
    # weights of another folder, told by what its file holds
    (tmp_path / "unet" / "shared.json").write_text("{}")
    assert weights_digest(tmp_path) not in (first, second, third)


def test_the_digest_of_a_single_file_is_that_of_its_contents(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"one")
    first = weights_digest(file)
    (tmp_path / "b.safetensors").write_bytes(b"two")
    assert weights_digest(file) == first
    file.write_bytes(b"two")
    assert weights_digest(file) != first
