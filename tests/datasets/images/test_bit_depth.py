"""Grey images of more than 8 bits; the files are written by tifffile, or by hand."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from datasets.images.decode import ImageError, inspect_image, read_image

MAX, SMIN, SMAX = 281, 340, 341  # tags
TWELVE = np.array([[0, 1365, 2730, 4095]], np.uint16)  # thirds of 12 bits


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def packed_twelve_bits(values):
    """Return a TIFF with 12 bits per sample, two samples in three bytes, as microscope cameras write it."""
    body = b"".join(
        bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in values.reshape(-1, 2).tolist()
    )
    height, width = values.shape
    tags = [
        (256, width),
        (257, height),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(body)),
    ]
    offset = 8 + len(body) + len(body) % 2
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (
        struct.pack("<2sHI", b"II", 42, offset)
        + body.ljust(offset - 8, b"\0")
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def grey(data):
    return read_image(data, channels=1)[..., 0].tolist()


STATED = {
    "12 bits": packed_twelve_bits(TWELVE),
    "12 of 16 bits": tiff(TWELVE, extratags=[(MAX, 3, 1, 4095, True)]),
    "12 of 16 bits, big-endian": tiff(TWELVE, byteorder=">", extratags=[(SMAX, 3, 1, 4095, True)]),
    "PGM of 12 bits": b"P5 4 1 4095\n" + TWELVE.astype(">u2").tobytes(),
    "PGM in text": b"P2 4 1 4095\n0 1365 2730 4095\n",
    "signed": tiff(
        TWELVE.astype(np.int16) - 1000, extratags=[(SMIN, 8, 1, -1000, True), (SMAX, 8, 1, 3095, True)]
    ),
    "float": tiff(
        TWELVE.astype(np.float32) - 5, extratags=[(SMIN, 11, 1, -6.0, True), (SMAX, 11, 1, 4091.0, True)]
    ),
    "16 bits": tiff(TWELVE * 16),
    "0 is white": tiff(4095 * 16 - TWELVE * 16, photometric="miniswhite"),
    "0 is white, packed": tiff(4095 * 16 - TWELVE * 16, photometric="miniswhite", compression="zlib"),
    "0 is white, float": tiff(np.float32(1) - TWELVE.astype(np.float32) / 4095, photometric="miniswhite"),
}


@pytest.mark.fault(4)
@pytest.mark.parametrize("kind", STATED)
def test_values_are_scaled_by_what_the_file_says(kind):
    np.testing.assert_allclose(grey(STATED[kind]), [[0, 85, 170, 255]], atol=1)
    assert not inspect_image(STATED[kind])[1].is_range_doubtful


UNSTATED = {  # values, what they become, whether that is doubtful
    "all 16 bits": (tiff(np.array([[0, 25700, 65535]], np.uint16)), [0, 100, 255], False),
    "a dark 16 bits": (png(np.array([[0, 257, 4095]], np.uint16)), [0, 1, 16], True),
    "one level": (png(np.array([[257, 257, 257]], np.uint16)), [1, 1, 1], False),
    "a maximum that is a statistic": (
        tiff(np.array([[0, 257, 3000]], np.uint16), extratags=[(MAX, 3, 1, 3000, True)]), [0, 1, 12], True,
    ),
    "signed 16 bits": (tiff(np.array([[-32768, 0, 32767]], np.int16)), [0, 128, 255], False),
    "a scan": (tiff(np.array([[-1000, 0, 3000]], np.int16)), [124, 128, 139], True),
    "32 bits": (tiff(np.array([[-5, 25700, 70000]], np.int32)), [0, 100, 255], True),
    "fractions": (tiff(np.array([[0, 0.2, 1]], np.float32)), [0, 51, 255], False),
    "fractions that were sharpened": (tiff(np.array([[-0.1, 0.2, 1.2]], np.float32)), [0, 51, 255], True),
    "levels": (tiff(np.array([[0, 51, 255]], np.float32)), [0, 51, 255], True),
    "16 bits as floats": (tiff(np.array([[0, 25700, 65535]], np.float32)), [0, 100, 255], True),
    "not a number": (tiff(np.array([[np.nan, 0.2, np.inf]], np.float32)), [0, 51, 255], True),
    "floats with their statistics": (
        tiff(
            np.array([[0.25, 0.5, 0.75]], np.float32),
            extratags=[(SMIN, 11, 1, 0.25, True), (SMAX, 11, 1, 0.75, True)],
        ),
        [64, 128, 191],
        False,
    ),
    "floats with NaN and their statistics": (
        tiff(
            np.array([[np.nan, 51, 102]], np.float32),
            extratags=[(SMIN, 11, 1, 51.0, True), (SMAX, 11, 1, 102.0, True)],
        ),
        [0, 51, 102],
        True,
    ),
    "a dark PGM": (b"P5 3 1 4095\n" + np.array([0, 16, 200], ">u2").tobytes(), [0, 1, 12], False),
    "nothing but NaN": (tiff(np.full((1, 3), np.nan, np.float32)), [0, 0, 0], True),
}  # fmt: skip


@pytest.mark.fault(4)
@pytest.mark.parametrize("kind", UNSTATED)
def test_where_the_file_does_not_say_the_usual_range_is_taken_and_a_doubtful_one_told(kind):
    data, expected, is_doubtful = UNSTATED[kind]
    assert grey(data) == [expected]
    assert inspect_image(data)[1].is_range_doubtful == is_doubtful


def test_colours_of_twelve_of_sixteen_bits_are_doubtful():
    for top, is_doubtful in ((4095, True), (65535, False)):
        data = tiff(np.full((1, 2, 3), top, np.uint16), photometric="rgb")
        assert inspect_image(data)[1].is_range_doubtful == is_doubtful


@pytest.mark.fault(4)
@pytest.mark.parametrize(("tag", "byteorder"), [(MAX, "<"), (SMAX, ">")])
def test_colours_of_a_stated_number_of_bits_are_scaled(tag, byteorder):
    values = np.array([[[0, 1365, 4095], [2730, 4095, 0]]], np.uint16)
    data = tiff(values, photometric="rgb", byteorder=byteorder, extratags=[(tag, 3, 1, 4095, True)])
    assert read_image(data).tolist() == [[[0, 85, 255], [170, 255, 0]]]
    assert not inspect_image(data)[1].is_range_doubtful
    wide = tiff(values * 16, photometric="rgb", extratags=[(tag, 3, 1, 65535, True)])
    assert read_image(wide).tolist() == (values >> 4).tolist()


@pytest.mark.fault(4)
def test_colours_of_too_few_bits_are_refused():
    data = tiff(np.full((1, 2, 3), 1023, np.uint16), photometric="rgb", extratags=[(MAX, 3, 1, 1023, True)])
    with pytest.raises(
        ImageError, match="^colours up to 1023 in 16 bits are not decoded; convert it to 8 bits"
    ):
        read_image(data)


@pytest.mark.parametrize(
    "tags",
    [
        [(SMAX, 11, 1, float("nan"), True)],
        [(SMIN, 11, 1, 9.0, True), (SMAX, 11, 1, 1.0, True)],
        [(SMAX, 2, 2, "x", True)],
    ],
)
def test_an_invalid_statement_is_ignored(tags):
    assert grey(tiff(np.array([[0, 0.2, 1]], np.float32), extratags=tags)) == [[0, 51, 255]]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1e-42), (-3e38, 3e38)])
def test_an_open_range_is_valid(low, high):
    tags = [(SMIN, 11, 1, low, True), (SMAX, 11, 1, high, True)]
    assert read_image(tiff(np.array([[0, 0.2, 3e38]], np.float32), extratags=tags)).shape == (1, 3, 3)
