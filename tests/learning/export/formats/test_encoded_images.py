"""learning/export/formats/encoded_images.py: TensorFlow's decoders give the pixels that Pillow gives."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets.images.decode import read_resized
from learning.export.formats.encoded_images import decoded_images
from tests.conftest import tf, v1

SIDES = 24, 30


def picture(height, width, channels=3):
    """Return smooth waves with some noise, of which no two rows or columns are alike: uint8 (h, w) or (h, w, C)."""
    rows, columns = np.mgrid[:height, :width]
    waves = [
        127 + 80 * np.sin(columns / (17 + k)) + 40 * np.cos(rows / (5 + 2 * k) + k) for k in range(channels)
    ]
    noise = np.random.default_rng(0).normal(0, 12, (height, width, channels))
    return np.clip(np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8).squeeze()


def encoded(pixels, kind="JPEG", mode=None, orientation=None, **options):
    image, file = Image.fromarray(pixels), io.BytesIO()
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x010F], options["exif"][0x0112] = "a camera", orientation
    image.convert(mode or image.mode).save(file, kind, **options)
    return file.getvalue()


FILES = {
    "smaller": encoded(picture(11, 17)),
    "larger": encoded(picture(55, 43), quality=90),
    "a half": encoded(picture(131, 170)),
    "a quarter": encoded(picture(243, 290), progressive=True),
    "an eighth": encoded(picture(601, 480), subsampling=0),
    "grey": encoded(picture(50, 40, 1)),
    "CMYK": encoded(picture(50, 40), mode="CMYK"),
    "one pixel": encoded(np.array([[[1, 20, 250]]], np.uint8), "PNG"),
    "a column": encoded(picture(90, 2), "PNG"),
    "PNG": encoded(picture(33, 64), "PNG"),
    "grey PNG": encoded(picture(33, 64, 1), "PNG"),
    "palette": encoded(picture(33, 64), "PNG", mode="P"),
    "transparent": encoded(picture(33, 64, 4), "PNG"),
    "transparent grey": encoded(picture(33, 64, 4), "PNG", mode="LA"),
    "BMP": encoded(picture(33, 64), "BMP"),
    "GIF": encoded(picture(33, 64), "GIF"),
    **{f"turned {number}": encoded(picture(33, 64), orientation=number) for number in range(1, 9)},
    "turned PNG": encoded(picture(33, 64), "PNG", orientation=6),
}


@pytest.mark.fault(6)
@pytest.mark.parametrize(("fit", "channels"), [("squash", 3), ("crop", 1), ("letterbox", 3)])
def test_files_become_the_pixels_of_training(fit, channels):
    with tf.Graph().as_default(), v1.Session() as sess:
        files = v1.placeholder(tf.string, [None])
        images = decoded_images(files, *SIDES, channels, fit)
        assert images.shape.as_list() == [None, *SIDES, channels]
        found = sess.run(images, {files: list(FILES.values())})
        assert sess.run(images, {files: []}).shape == (0, *SIDES, channels)
    differences = {
        name: int(np.abs(pixels.astype(int) - read_resized(file, SIDES, channels=channels, fit=fit)).max())
        for (name, file), pixels in zip(FILES.items(), found, strict=True)
    }
    # One level where fixed-point numbers and float32 round to different sides, one more behind an opacity.
    assert max(differences.values()) <= 2, differences


def test_the_orientation_in_the_other_order_of_bytes_and_in_the_noise_of_a_photograph():
    little = FILES["turned 6"]
    start = little.index(b"Exif\0\0")
    assert little[start + 6 : start + 8] == b"MM"
    block = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)
    plain = FILES["turned 1"]
    other = plain[:2] + b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block + plain[2:]
    no_block = plain[:2] + b"\xff\xfe\x00\x0e\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + plain[2:]  # a comment
    with tf.Graph().as_default(), v1.Session() as sess:
        images = sess.run(decoded_images(tf.constant([little, other, no_block, plain]), *SIDES, 3, "squash"))
    assert (images[0] == images[1]).all()
    assert (images[2] == images[3]).all()
    assert not (images[0] == images[3]).all()
