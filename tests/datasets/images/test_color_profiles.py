import io
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from datasets.images import color_profiles
from datasets.images.decode import inspect_image, read_image, read_resized
from tests.support.made_profiles import BLUE, GREEN, RED, profile

LEVELS = np.arange(256, dtype=np.uint8).reshape(8, 32)
RAMP = np.stack([LEVELS, LEVELS[::-1], LEVELS[:, ::-1]], axis=-1)


def encoded(pixels, form="PNG", **options):
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def srgb_of(linear):
    """IEC 61966-2-1, from linear light in 0..255."""
    light = np.asarray(linear, float) / 255
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.fault(4)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("name", ["linear", "GIMP built-in Linear sRGB", "sRGB-elle-V2-g10.icc"])
def test_linear_light_becomes_srgb_for_any_profile_name(form, name):
    found = read_image(encoded(RAMP, form, icc_profile=profile(name)))
    np.testing.assert_allclose(found, srgb_of(RAMP), atol=2)


@pytest.mark.fault(4)
def test_primaries_are_converted():
    swapped = profile("blue is red", curve=(2.2,), primaries=(BLUE, GREEN, RED))
    red, green, blue = read_image(
        encoded(Image.new("RGB", (8, 8), "red"), "JPEG", quality=95, icc_profile=swapped)
    )[4, 4]
    assert red < 10
    assert green < 10
    assert blue > 245


@pytest.mark.fault(4)
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_with_a_profile_of_its_own(channels):
    data = encoded(LEVELS, icc_profile=profile("grey", space="GRAY"))
    expected = np.repeat(srgb_of(LEVELS)[..., None], channels, axis=2)
    found = read_image(data, channels=channels)
    np.testing.assert_allclose(found[1:], expected[1:], atol=2)  # LittleCMS is coarse in the darkest greys


@pytest.mark.fault(4)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_grey_of_sixteen_bits_with_a_profile(form):
    data = encoded(LEVELS.astype(np.uint16) * 257, form, icc_profile=profile("grey", space="GRAY"))
    found, facts = inspect_image(data)
    assert facts.has_profile
    np.testing.assert_allclose(found[1:], np.repeat(srgb_of(LEVELS)[..., None], 3, axis=2)[1:], atol=2)
    np.testing.assert_array_equal(read_image(data, channels=1)[..., 0], found[..., 0])


@pytest.mark.fault(4)
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_on_white_with_any_profile(mode):
    space = "GRAY" if mode == "LA" else "RGB "
    picture = Image.new("RGBA", (2, 1), (55, 55, 55, 255))
    picture.putpixel((1, 0), (55, 55, 55, 0))
    data = encoded(picture.convert(mode), icc_profile=profile("linear", space=space))
    expected = [[round(float(srgb_of(55)))] * 3, [255] * 3]
    np.testing.assert_allclose(read_image(data)[0], expected, atol=2)


@pytest.mark.parametrize(
    "content",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        profile("grey for a colour image", space="GRAY"),
        profile("cut")[:200],
        b"no profile",
        profile("no curve").replace(b"curv", b"xxxx"),
        profile("no tags")[:128] + bytes(400),
    ],
)
def test_the_pixels_stay_where_a_profile_is_srgb_or_cannot_be_applied(content):
    np.testing.assert_array_equal(read_image(encoded(RAMP, icc_profile=content)), RAMP)


def test_a_profile_that_changes_nothing_is_not_applied():
    levels = np.linspace(0, 1, 1024)
    curve = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    for options in ({}, {"space": "GRAY"}):
        data = encoded(RAMP if not options else LEVELS, icc_profile=profile("c2", curve=curve, **options))
        found, facts = inspect_image(data)
        assert not facts.has_profile
        np.testing.assert_array_equal(found, RAMP if not options else np.repeat(LEVELS[..., None], 3, axis=2))


def test_threads_convert_alike():
    data = encoded(RAMP, icc_profile=profile("linear"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: read_resized(data, 8), range(200)))
    assert all((one == found[0]).all() for one in found)


def test_a_pillow_without_littlecms_says_so_once(monkeypatch, caplog):
    monkeypatch.setattr(color_profiles.features, "check", lambda name: False)
    color_profiles._warn_of_missing_library.cache_clear()
    data = encoded(RAMP, icc_profile=profile("linear"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            np.testing.assert_array_equal(read_image(data), RAMP)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "without LittleCMS" in caplog.text
