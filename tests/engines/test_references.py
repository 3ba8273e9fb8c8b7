import numpy as np
import pytest

from engines.subjects import disc_mask, reference
from gesso.core.errors import MediaError
from gesso.engines.references import ReferenceFile, read_reference


def test_the_mask_is_given_or_transparency_or_found(tmp_path):
    reference((64, 64)).save(tmp_path / "boat.png")
    reference((64, 64), "RGBA").save(tmp_path / "clear.png")
    disc_mask((64, 64)).save(tmp_path / "mask.png")
    wanted = np.asarray(disc_mask((64, 64))) > 127
    image, given = ReferenceFile(file=tmp_path / "boat.png", mask=tmp_path / "mask.png").read()
    assert image.tobytes() == reference((64, 64)).tobytes()
    assert np.array_equal(np.asarray(given) > 127, wanted)
    _, clear = ReferenceFile(file=tmp_path / "clear.png").read()
    assert np.array_equal(np.asarray(clear) > 127, wanted)
    found = np.asarray(read_reference(reference((64, 64)))[1]) > 127
    assert (found & wanted).sum() / (found | wanted).sum() > 0.85


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(MediaError, match=r"none\.png"):
        ReferenceFile(file=tmp_path / "none.png").read()
