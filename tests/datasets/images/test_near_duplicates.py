"""datasets/images/near_duplicates.py: copies are found, other pictures are not, and no pair is missed."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from datasets.images.near_duplicates import MOST_APART, SIGNATURE_BYTES, near_groups, signature

PICTURES = ("chelsea", "astronaut", "coffee", "camera", "coins", "page", "text", "clock")


def picture(name):
    return Image.fromarray(getattr(data, name)()).convert("RGB")


def pixels(image):
    return np.asarray(image.convert("RGB"))


def jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def groups_of(images):
    joined = b"".join(map(signature, images))
    found = near_groups(np.frombuffer(joined, np.uint8).reshape(-1, SIGNATURE_BYTES))
    return [group.tolist() for group in found]


COPIES = {
    "recompressed": lambda image: jpeg(image, 20),
    "half the size": lambda image: image.resize(
        (image.width // 2, image.height // 2), Image.Resampling.LANCZOS
    ),
    "a thumbnail": lambda image: jpeg(image.resize((80, 60), Image.Resampling.BICUBIC), 70),
    "enlarged": lambda image: image.resize((700, 900), Image.Resampling.NEAREST),
    "brighter": lambda image: image.point(lambda level: min(255, level + 12)),
    "a cut edge": lambda image: image.crop((2, 2, image.width - 2, image.height - 2)),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_with_its_original_and_no_other_picture(kind):
    originals = [picture(name) for name in PICTURES]
    copies = [COPIES[kind](image) for image in originals]
    found = groups_of([*map(pixels, originals), *map(pixels, copies)])
    assert sorted(found) == [[k, k + len(PICTURES)] for k in range(len(PICTURES))]


def test_plain_pictures_differ_by_their_colour():
    grey, red, green = ([200, 200, 200], [200, 20, 20], [20, 117, 20])  # red and green of the same luminance
    images = [np.full((80, 70, 3), colour, np.uint8) for colour in (grey, red, green, grey)]
    images[3] = np.clip(images[3] + np.random.default_rng(0).integers(-3, 4, (80, 70, 1)), 0, 255).astype(
        np.uint8
    )
    assert groups_of(images) == [[0, 3]]
    assert groups_of([image[..., :1] for image in images[:1]]) == []
    assert groups_of([]) == []


def test_digits_that_look_alike_are_different():
    from sklearn.datasets import load_digits

    images = np.round(load_digits().images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    assert len(groups_of(images)) <= 3
    small = [np.asarray(jpeg(Image.fromarray(image[..., 0]).resize((28, 28)), 60)) for image in images[:50]]
    large = [np.asarray(Image.fromarray(image[..., 0]).resize((28, 28))) for image in images[:50]]
    found = groups_of([image[..., np.newaxis] for image in (*small, *large)])
    assert sorted(found) == [[k, k + 50] for k in range(50)]


def test_the_same_pairs_are_found_as_by_comparing_all():
    rng = np.random.default_rng(0)
    centres = rng.integers(40, 216, (60, SIGNATURE_BYTES))
    noise = rng.normal(0, 1, (300, SIGNATURE_BYTES)) * rng.uniform(2, 22, (300, 1))
    signatures = np.clip(centres[rng.integers(0, 60, 300)] + noise, 0, 255).astype(np.uint8)
    signatures[:, -1] = 0  # they are large
    levels = signatures[:, :256].astype(float)
    levels -= levels.mean(axis=1, keepdims=True)
    points = np.hstack([levels / np.linalg.norm(levels, axis=1)[:, None], signatures[:, 256:259] / 256])
    near = np.linalg.norm(points[:, None] - points[None], axis=2) < MOST_APART
    reached = np.linalg.matrix_power(near.astype(float), 64) > 0
    expected = {tuple(np.flatnonzero(row)) for row in reached if row.sum() > 1}
    found = near_groups(signatures)
    assert {tuple(group) for group in found} == expected
    assert len(expected) > 5


def test_thousands_of_similar_images_are_one_group():
    rng = np.random.default_rng(0)
    base = rng.integers(60, 200, SIGNATURE_BYTES)
    signatures = np.clip(base + rng.integers(-2, 3, (6000, SIGNATURE_BYTES)), 0, 255).astype(np.uint8)
    signatures[:, -1] = 0
    signatures[3000:] = signatures[0]  # as many equal ones
    assert [len(group) for group in near_groups(signatures)] == [6000]
