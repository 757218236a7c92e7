import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from xairank.data.duplicates import _distances, _normalise, group_near_duplicates, thumbnail


def groups_of(images):
    return group_near_duplicates(np.stack([thumbnail(image) for image in images])).tolist()


def scenes(count, *, size=128, texture=1.0, seed=0):
    """Smooth images that share a background; ``texture`` is the share of what each has to itself."""
    generator = np.random.default_rng(seed)
    background = gaussian_filter(generator.normal(size=(size, size)), 12)
    own = [gaussian_filter(generator.normal(size=(size, size)), 8) for _ in range(count)]
    pixels = [background / background.std() + texture * one / one.std() for one in own]
    return [Image.fromarray(np.clip(128 + 25 * one, 0, 255).astype(np.uint8)).convert("RGB") for one in pixels]


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


COPIES = {
    "the same": lambda image: image,
    "JPEG": lambda image: encoded(image, format="JPEG", quality=60),
    "WebP": lambda image: encoded(image, format="WEBP", quality=60),
    "smaller": lambda image: image.resize((100, 100), Image.Resampling.BICUBIC),
    "half": lambda image: image.reduce(2),
    "larger": lambda image: image.resize((300, 300), Image.Resampling.BILINEAR),
    "brighter": lambda image: image.point(lambda value: value + 15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "noise": lambda image: Image.fromarray(
        np.clip(np.asarray(image) + np.random.default_rng(0).normal(0, 6, (128, 128, 3)), 0, 255).astype(np.uint8)
    ),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_joins_its_original_and_nothing_else(copy):
    images = scenes(14)
    assert groups_of([*images, copy(images[3])]) == [*range(14), 3]


@pytest.mark.parametrize("texture", [1, 0.3, 0.05], ids=["different", "similar", "alike"])
def test_different_objects_before_one_background_stay_apart(texture):
    assert groups_of(scenes(40, texture=texture)) == list(range(40))


def test_two_products_before_fixed_backgrounds_stay_apart():
    images = [*scenes(30, texture=0.05, seed=1), *scenes(30, texture=0.05, seed=2)]
    assert groups_of(images) == list(range(60))


def test_images_that_differ_in_one_spot_of_a_tenth_stay_apart():
    # A defect of 10 % of the width on an otherwise equal part: as near as different images get.
    images = scenes(12)
    images.append(images[0].copy())
    images[-1].paste((255, 255, 255), (50, 50, 63, 63))
    assert groups_of(images) == list(range(13))


def test_chains_are_one_group():
    images = scenes(14)
    first, other = (np.asarray(images[row], np.float32) for row in (12, 13))
    steps = [Image.fromarray((first + (other - first) * part).astype(np.uint8)) for part in (0, 0.06, 0.12, 0.18)]
    assert groups_of([*images[:12], *steps]) == [*range(12), 12, 12, 12, 12]
    assert groups_of([*images[:12], steps[0], steps[-1]]) == list(range(14))


def test_flat_images_are_copies_of_one_another_alone():
    flat = [Image.new("RGB", (50, 50), colour) for colour in ("black", "white")]
    assert groups_of([*scenes(10), *flat]) == [*range(10), 10, 10]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_grouped_too(count):
    thumbnails = np.random.default_rng(0).random((count, 32, 32)).astype(np.float32)
    assert group_near_duplicates(thumbnails).tolist() == list(range(count))


def test_copies_are_found_even_if_every_image_has_one():
    images = scenes(12)
    assert groups_of([*images, *(image.resize((100, 100)) for image in images)]) == [*range(12)] * 2


def test_identical_images_are_found_even_if_all_have_many():
    assert groups_of(scenes(5) * 15) == [*range(5)] * 15


def test_copies_of_dull_images_are_found():
    dull = [image.point(lambda value: 100 + value // 10) for image in scenes(14)]
    assert groups_of([*dull, dull[5].resize((90, 110))]) == [*range(14), 5]


def test_the_number_of_images_compared_at_once_does_not_matter(monkeypatch):
    images = scenes(8)
    expected = groups_of([*images, *images])
    monkeypatch.setattr("xairank.data.duplicates._ROWS", 3)
    assert groups_of([*images, *images]) == expected == [*range(8)] * 2


def test_distances_are_those_of_the_normalised_vectors(monkeypatch):
    monkeypatch.setattr("xairank.data.duplicates._ROWS", 3)
    vectors = _normalise(np.random.default_rng(0).random((8, 32, 32)).astype(np.float32))
    assert np.allclose(vectors.mean(axis=1), 0)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    expected = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    found = np.concatenate([part for _, part in _distances(vectors)])
    assert np.allclose(found, expected, atol=1e-6)
    assert [first for first, _ in _distances(vectors)] == [0, 3, 6]


@pytest.mark.parametrize("category", ["transistor", "hazelnut"])
def test_different_real_objects_stay_apart_and_their_copies_join_them(shared, category):
    paths = sorted((shared / "data" / "mvtec" / category / "test").glob("*/*.png"))
    images = [Image.open(path).convert("RGB") for path in paths]
    copies = [encoded(image, format="JPEG", quality=75).resize((300, 300)) for image in images[:5]]
    copies += [ImageEnhance.Brightness(image).enhance(1.1) for image in images[5:10]]
    assert groups_of([*images, *copies]) == [*range(len(images)), *range(10)]
