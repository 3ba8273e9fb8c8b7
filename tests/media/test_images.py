import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gesso.core.errors import MediaError, UsageError
from gesso.media.fetch import FetchPolicy
from gesso.media.images import MAX_PIXELS, data_url, load_image

ORIENTATION = 0x0112


def _picture(width: int = 6, height: int = 4) -> Image.Image:
    grey = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Image.fromarray(grey)


def _file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds almost nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    path, content = tmp_path / "a.png", _file(_picture())
    path.write_bytes(content)
    opened = Image.open(BytesIO(content))
    for source in (path, str(path), content, bytearray(content), memoryview(content), _picture(), opened,
                   data_url(_picture())):  # fmt: skip
        loaded = load_image(source)
        assert (loaded.mode, loaded.size, loaded.tobytes()) == ("RGB", (6, 4), _picture().tobytes())


def test_a_picture_made_in_memory_is_not_copied() -> None:
    image = _picture()
    assert load_image(image) is image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_formats(kind: str) -> None:
    assert load_image(_file(_picture(), kind)).size == (6, 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_modes(mode: str) -> None:
    loaded = load_image(Image.new("RGB", (3, 2), (255, 0, 0)).convert(mode))
    assert (loaded.mode, loaded.size) == ("RGB", (3, 2))
    if mode not in ("1", "L", "LA"):
        red, green, blue = loaded.getpixel((0, 0))
        assert red > 245
        assert max(green, blue) < 10


def test_clear_parts_become_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 200, 0))
    image.putpixel((1, 0), (0, 0, 200, 255))
    assert list(np.asarray(load_image(_file(image))).reshape(-1, 3).tolist()) == [[255] * 3, [0, 0, 200]]


def test_a_palette_with_clear_colours_becomes_white_without_a_warning() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    for transparency in (0, bytes([0, 255])):
        loaded = load_image(_file(image, transparency=transparency))
        assert np.asarray(loaded).reshape(-1, 3).tolist() == [[255] * 3, [40, 50, 60]]


def test_sixteen_bits_become_eight() -> None:
    values = np.array([[0, 256, 32768, 65535]], np.uint16)
    loaded = load_image(_file(Image.fromarray(values)))
    assert np.asarray(loaded)[0, :, 0].tolist() == [0, 1, 128, 255]
    wide = load_image(Image.fromarray(values.astype(np.int32)))
    assert wide.tobytes() == loaded.tobytes()


def test_floating_point_pictures_are_refused() -> None:
    with pytest.raises(MediaError, match=r"floating point.*save it again"):
        load_image(Image.new("F", (2, 2)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    loaded = load_image(_file(_picture(), exif=exif))
    assert loaded.size == ((6, 4) if orientation < 5 else (4, 6))
    if orientation == 3:
        assert loaded.tobytes() == _picture().rotate(180).tobytes()


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = _file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_image(content).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(("width", "height"), [(10001, 10000), (9999, 9999), (60000, 60000)])
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    with pytest.raises(MediaError) as caught:
        load_image(_png_header(width, height))
    if MAX_PIXELS < width * height < 150_000_000:
        assert f"{width} x {height} pixels; allowed: 1 to {MAX_PIXELS}" in str(caught.value)


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(_file(_picture(64, 64), "JPEG")[:-200])
    with pytest.raises(MediaError, match=r"cut\.jpg cannot be read: .*truncated.*save it again"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_unknown_files_are_refused(content: bytes) -> None:
    with pytest.raises(MediaError, match="its format is none of PNG, JPEG"):
        load_image(content)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for source in (tmp_path / "gone.png", str(tmp_path / "gone.png")):
        with pytest.raises(MediaError, match=r"gone\.png cannot be opened"):
            load_image(source)
    with pytest.raises(MediaError, match="cannot be opened"):
        load_image("a\0b.png")
    with pytest.raises(MediaError, match="cannot be opened"):
        load_image(tmp_path)


def test_a_policy_can_forbid_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    _picture().save(path)
    for source in (path, str(path)):
        with pytest.raises(MediaError, match="policy forbids"):
            load_image(source, FetchPolicy(allow_paths=False))
    assert load_image(data_url(_picture()), FetchPolicy(allow_paths=False)).size == (6, 4)


@pytest.mark.parametrize("source", ["http://example.org/a.png", "HTTPS://example.org/a.png"])
def test_the_network_is_forbidden_by_default(source: str) -> None:
    with pytest.raises(MediaError, match="policy forbids"):
        load_image(source)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(MediaError, match="scheme file; allowed: http, https, data"):
        load_image("file:///etc/passwd")


@pytest.mark.parametrize("source", [None, 3, ["a.png"]])
def test_other_sources_are_refused(source: object) -> None:
    with pytest.raises(UsageError, match=f"type {type(source).__name__}; allowed: a path"):
        load_image(source)


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(MediaError, match="0 x 5 pixels"):
        load_image(Image.new("L", (0, 5)))


FILES = {kind: _file(_picture(40, 30), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damage_of_any_kind_ends_in_a_picture_or_our_error(kind: str, data: st.DataObject) -> None:
    content = bytearray(FILES[kind])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with suppress(MediaError):
        assert load_image(bytes(content[:cut])).mode == "RGB"
