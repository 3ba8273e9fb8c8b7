import numpy as np
import pytest
from PIL import Image as Pictures

from engines.subjects import disc_mask, reference
from gesso.core.errors import MissingExtraError, UsageError
from gesso.media.cutout import cut_out
from gesso.media.images import load_with_alpha
from gesso.media.subjects import prepare_reference


def overlap(found: Pictures.Image, wanted: Pictures.Image) -> float:
    one, other = (np.asarray(mask) > 127 for mask in (found, wanted))
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(
    ("size", "expected"),
    [((60, 40), (640, 448)), ((40, 60), (448, 640)), ((50, 50), (512, 512)), ((400, 20), (1536, 128))],
)
def test_references_keep_their_shape(size, expected):
    found = prepare_reference(reference(size), disc_mask(size))
    assert found.image.size == expected
    assert found.mask.shape == expected[::-1]
    assert found.on_white().size == (max(expected), max(expected))


def test_the_original_squashes_them():
    found = prepare_reference(reference(), disc_mask(), fit="squash")
    assert found.image.size == found.on_white().size == (512, 512)


def test_the_background_becomes_white():
    found = prepare_reference(reference((64, 64)), disc_mask((64, 64)), 64)
    white = np.asarray(found.on_white())
    assert (white[~found.mask] == 255).all()
    assert np.array_equal(white[found.mask], np.asarray(found.image)[found.mask])


def test_a_threshold_drops_soft_edges():
    soft = prepare_reference(reference((64, 64)), disc_mask((64, 64)), 512)
    hard = prepare_reference(reference((64, 64)), disc_mask((64, 64)), 512, threshold=250)
    assert hard.mask.sum() < soft.mask.sum()
    with pytest.raises(UsageError, match=r"0\.\.254"):
        prepare_reference(reference(), disc_mask(), threshold=255)


def test_empty_masks_are_refused():
    with pytest.raises(UsageError, match="mask is empty"):
        prepare_reference(reference(), Pictures.new("L", (60, 40)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "CMYK", "RGB", "L"])
def test_pictures_of_every_mode_are_read(tmp_path, mode):
    """Among them a picture of four channels, at which the original stops."""
    picture = reference((64, 48), "RGBA")
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    if mode == "PA":  # a palette with a clear colour, which is how PNG keeps transparency in one
        drawn = picture.convert("RGB").quantize(8)
        drawn.save(path, transparency=drawn.getpixel((0, 0)))
    elif mode == "LA":
        Pictures.merge("LA", (picture.convert("L"), picture.getchannel("A"))).save(path)
    else:
        picture.convert("RGB").convert(mode).save(path) if mode != "RGBA" else picture.save(path)
    image, alpha = load_with_alpha(path)
    assert (image.mode, image.size) == ("RGB", (64, 48))
    if mode in ("RGBA", "LA", "PA"):
        assert overlap(alpha, disc_mask((64, 48))) > 0.95
    else:
        assert alpha is None


def test_pil_images_with_transparency_are_read():
    image, alpha = load_with_alpha(reference(mode="RGBA"))
    assert image.mode == "RGB"
    assert overlap(alpha, disc_mask()) > 0.99


@pytest.mark.parametrize("background", ["white", "gradient", "noise"])
def test_a_square_product_picture_is_cut_out(background):
    size = (200, 200)
    canvas = np.full((*size, 3), 250, np.float32)
    if background == "gradient":
        canvas -= np.linspace(0, 120, 200)[:, None, None]
    if background == "noise":
        canvas -= np.random.default_rng(0).uniform(0, 20, canvas.shape)
    inside = np.asarray(disc_mask(size)) > 0
    canvas[inside] = (200, 40, 30)
    found = cut_out(Pictures.fromarray(canvas.clip(0, 255).astype(np.uint8)))
    assert found.size == size
    assert overlap(found, disc_mask(size)) > 0.9


def test_holes_belong_to_the_subject_and_specks_do_not():
    size = (120, 120)
    picture = reference(size)
    picture.paste((128, 128, 128), (55, 55, 65, 65))
    picture.paste((0, 0, 255), (2, 90, 5, 93))
    assert overlap(cut_out(picture), disc_mask(size)) > 0.9


def test_a_picture_of_nothing_has_no_subject():
    with pytest.raises(UsageError, match="no subject stands out"):
        cut_out(Pictures.new("RGB", (80, 80), "white"))


@pytest.mark.parametrize(("method", "package"), [("grabcut", "cv2"), ("rembg", "rembg")])
def test_missing_packages_are_named(monkeypatch, method, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    extra = "cutout" if method == "grabcut" else "rembg"
    with pytest.raises(MissingExtraError, match=rf"gesso\[{extra}\]"):
        cut_out(reference(), method)
