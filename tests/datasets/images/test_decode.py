import importlib
import io
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.data import astronaut

from datasets.images import decode, formats
from datasets.images.decode import ImageError, read_image, read_resized
from datasets.images.resizing import resize_image
from tests.support import bombs


def smooth(height=24, width=36):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 2], axis=-1).astype(np.uint8)


def encoded(pixels, form="JPEG", **options):
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


@pytest.mark.fault(3)
@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_the_content_decides_the_format_not_the_name(tmp_path, form):
    path = tmp_path / "picture.jpg"
    flat = np.full((4, 5, 3), 200, np.uint8)
    path.write_bytes(encoded(flat, form, **({"lossless": True} if form == "WEBP" else {})))
    np.testing.assert_array_equal(read_image(path), flat)
    np.testing.assert_array_equal(read_image(str(path)), flat)


@pytest.mark.fault(6)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(orientation, form):
    upright = smooth()
    undo = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif, **({"lossless": True} if form == "WEBP" else {})}
    data = encoded(np.ascontiguousarray(undo[orientation]), form, **options)
    np.testing.assert_array_equal(read_image(data), upright)


@pytest.mark.fault(6)
def test_a_turned_jpeg_resizes_to_the_same_pixels_as_the_upright_one():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(np.ascontiguousarray(np.rot90(smooth(64, 64), 1)), quality=95, exif=exif)
    upright = encoded(smooth(64, 64), quality=95)
    difference = read_resized(turned, 32).astype(int) - read_resized(upright, 32)
    assert np.abs(difference).max() <= 6


@pytest.mark.parametrize("orientation", [0, 9, 700])
def test_an_orientation_that_does_not_exist_is_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_image(encoded(smooth(), "PNG", exif=exif)), smooth())


@pytest.mark.fault(4)
def test_grey_becomes_three_equal_channels_and_one_channel_is_luminance():
    grey = smooth()[..., 0]
    np.testing.assert_array_equal(read_image(encoded(grey, "PNG")), np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(read_image(encoded(grey, "PNG"), channels=1), grey[..., None])
    colour = np.full((2, 2, 3), (100, 200, 50), np.uint8)
    expected = round(0.299 * 100 + 0.587 * 200 + 0.114 * 50)
    assert (read_image(encoded(colour, "PNG"), channels=1) == expected).all()


@pytest.mark.fault(4)
def test_what_is_transparent_lies_on_white():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 100
    rgba[0, :, 3] = 0, 255, 128
    expected = [[255, 255, 255], [100, 0, 0], [177, 127, 127]]  # 100 * 128/255 + 255 * 127/255, and so on
    np.testing.assert_allclose(read_image(encoded(rgba, "PNG"))[0], expected, atol=1)
    la = np.array([[[100, 0], [100, 255]]], np.uint8)
    assert read_image(encoded(la, "PNG"))[0].tolist() == [[255] * 3, [100] * 3]


@pytest.mark.fault(4)
def test_a_transparent_palette_entry_is_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    data = encoded(picture, "PNG", transparency=1)
    assert read_image(data)[0].tolist() == [[10, 20, 30], [255, 255, 255]]
    assert read_image(encoded(picture, "PNG"))[0].tolist() == [[10, 20, 30], [40, 50, 60]]


@pytest.mark.fault(4)
def test_cmyk_is_converted():
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red, green, blue = read_image(encoded(picture, "JPEG", quality=95))[4, 4]
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.fault(4)
def test_sixteen_bits_are_divided_by_257():
    deep = np.array([[0, 257, 25700, 65535]], np.uint16)
    for form in ("PNG", "TIFF"):
        assert read_image(encoded(deep, form))[0, :, 0].tolist() == [0, 1, 100, 255]


@pytest.mark.fault(4)
def test_sixteen_bit_transparent_grey_is_white():
    deep = np.array([[514, 25700]], np.uint16)
    assert read_image(encoded(deep, "PNG", transparency=514))[0, :, 0].tolist() == [255, 100]


@pytest.mark.fault(5)
def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for form in ("GIF", "WEBP"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        red, _, blue = read_image(data)[2, 2]
        assert red > 240
        assert blue < 15


WHOLE = encoded(smooth(120, 160))


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a known format"),
        (WHOLE[: len(WHOLE) // 2], "damaged image"),
        (WHOLE[:-20], "damaged image"),
        (encoded(smooth(), "PNG")[:-40], "damaged image"),
        (encoded(smooth(), "BMP")[:-9], "damaged image"),
        (encoded(smooth(), "WEBP")[:-30], "damaged image"),
    ],
)
def test_a_damaged_file_is_an_error_with_a_reason(data, reason):
    for read in (read_image, lambda data: read_resized(data, 8)):
        with pytest.raises(ImageError, match=reason):
            read(data)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(ImageError, match=r"cannot be read \(No such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match=r"cannot be read \(Is a directory"):
        read_image(tmp_path)


@pytest.mark.fault(7)
@pytest.mark.parametrize("side", [9000, 30000])
def test_an_image_of_many_pixels_is_refused_before_it_takes_memory(side):
    tracemalloc.start()
    with pytest.raises(ImageError, match="more than the 67108864 pixels that are decoded"):
        read_image(bombs.png(side, side))
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.fault(2)
def test_extraneous_bytes_before_the_end_marker_are_ignored():
    data = WHOLE[:-2] + b"\x00" * 50 + WHOLE[-2:]
    np.testing.assert_array_equal(read_image(data), read_image(WHOLE))


@pytest.mark.fault(2)
@settings(max_examples=100, deadline=None)
@given(form=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"]), data=st.data())
def test_flipped_bytes_never_crash(form, data):
    whole = bytearray(encoded(smooth(), form))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = read_resized(bytes(whole), 8)
    except ImageError as error:
        assert str(error)
    else:
        assert image.shape == (8, 8, 3)


def test_a_large_jpeg_decoded_at_a_fraction_stays_close_to_the_whole():
    data = encoded(smooth(1200, 1600), quality=90)
    fast = read_resized(data, 64).astype(int)
    assert np.abs(fast - resize_image(read_image(data), 64, 64)).max() <= 6
    assert read_resized(data, 64, channels=1).shape == (64, 64, 1)


@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize("size", [(64, 96), (96, 64), 48])
def test_a_large_jpeg_is_fitted_as_the_whole_image_is(fit, size):
    data = encoded(smooth(900, 2000), quality=90)
    fast = read_resized(data, size, fit=fit).astype(int)
    whole = resize_image(read_image(data), *(size if isinstance(size, tuple) else (size, size)), fit=fit)
    assert np.abs(fast - whole)[..., :2].max() <= 6  # the third channel has steps


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match="channels is 4"):
        read_image(WHOLE, channels=4)


def test_only_pillows_warnings_are_hidden():
    broken_exif = encoded(smooth(), exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\x00" + b"\x01" * 40)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(read_image, [broken_exif] * 40))
        assert caught == []
        warnings.warn("mine", stacklevel=1)
        assert len(caught) == 1
    assert len(results) == 40


def test_formats_that_run_a_program_are_not_opened():
    assert not {"EPS", "PS", "PDF", "WMF", "SPIDER"} & set(decode._FORMATS)


@pytest.mark.fault(35)
@pytest.mark.parametrize("step", ["load", "convert", "getexif"])
def test_too_little_memory_is_not_a_damaged_image(monkeypatch, step):
    def exhausted(*args):
        raise MemoryError

    monkeypatch.setattr(f"PIL.JpegImagePlugin.JpegImageFile.{step}", exhausted)
    with pytest.raises(MemoryError):
        read_image(WHOLE)


def test_a_decoder_without_memory_is_not_a_damaged_image(monkeypatch):
    def exhausted(*args):
        raise OSError(f"{Image.core.getcodecstatus(-9)} when reading image file")

    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", exhausted)
    with pytest.raises(MemoryError, match="out of memory"):
        read_image(WHOLE)


def test_a_suffix_is_either_decoded_or_not():
    kinds = formats.IMAGE_SUFFIXES, formats.UNDECODED_SUFFIXES, formats._OTHER_SUFFIXES
    assert len(frozenset().union(*kinds)) == sum(map(len, kinds))


@pytest.mark.skipif("AVIF" not in formats.SUFFIXES, reason="this Pillow does not decode AVIF")
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_avif_is_decoded_upright_where_pillow_can(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: smooth(), 3: smooth()[::-1, ::-1], 6: np.rot90(smooth(), 1)}[orientation]
    data = encoded(np.ascontiguousarray(turned), "AVIF", quality=100, subsampling="4:4:4", exif=exif)
    np.testing.assert_allclose(read_image(data).astype(int), smooth(), atol=6)
    with pytest.raises(ImageError, match="damaged image|not an image"):
        read_image(data[: len(data) // 2])


def test_a_pillow_without_avif_leaves_it_undecoded(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("PIL.features.modules", {})
        importlib.reload(formats)
        try:
            assert formats.kind_by_name("a.avif") == formats.UNDECODED
            assert formats.kind_by_start(b"\0\0\0\x20ftypavif".ljust(32, b"\0")) == formats.UNDECODED
        finally:
            patched.undo()
            importlib.reload(formats)


# Against scikit-image, which computes it in its own way.
@pytest.fixture(scope="module")
def photograph():
    return astronaut()[:256, 100:356]  # (256, 256, 3), a face


def test_grey_is_the_luma_of_itu_r_601(photograph):
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "PNG")
    luma = (rgb2ycbcr(photograph)[..., :1] - 16) / 219 * 255  # it gives the range of video, 16 to 235
    np.testing.assert_allclose(read_image(file.getvalue(), channels=1), luma, atol=1)
