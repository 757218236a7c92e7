import numpy as np
import pytest
import torch

from tests.evaluation.models import Additive, probe_of, random, square
from xairank.evaluation import Reliance
from xairank.evaluation.fills import FILLS
from xairank.evaluation.probe import content_generator
from xairank.evaluation.reliance import FILLED_BY, N_PLACES, elsewhere

H, W = 24, 32
MASK = square(H, W, 5, 6, 6)


def bright_on(mask, count=3):
    """Noise, brighter on a mask."""
    return random(count, 3, H, W) * 0.3 + 0.6 * mask[:, None]


def test_a_model_that_sees_the_mask_alone_relies_on_it_by_a_known_amount():
    """Elsewhere counts nothing, so that reliance is the fall of the logit, with each fill by brute force."""
    images = bright_on(MASK)
    found = Reliance()(MASK.expand(3, -1, -1), probe_of(Additive(MASK[0].double()), images))
    falls = []
    for name in FILLED_BY:
        fill = FILLS[name](images, ~MASK.expand(3, -1, -1))
        falls.append(((images - fill) * MASK[:, None]).sum(dim=(1, 2, 3)))
    torch.testing.assert_close(found[""], torch.stack(falls).mean(dim=0))
    torch.testing.assert_close(found["least"], torch.stack(falls).amin(dim=0))
    assert bool((found["least"] > 10).all())


def test_a_model_that_does_not_see_the_mask_does_not_rely_on_it():
    """It sees the other half of the image, which hiding elsewhere can only darken: none or less than none."""
    elsewhere_bright = square(H, W, 2, 18, 14)[0].double()
    images = bright_on(elsewhere_bright[None])
    found = Reliance()(MASK.expand(3, -1, -1), probe_of(Additive(elsewhere_bright), images))
    assert bool((found["least"] <= 1e-9).all())
    assert bool((found[""] <= 1e-9).all())
    blind = Reliance()(MASK.expand(3, -1, -1), probe_of(Additive(torch.zeros(H, W)), images))
    assert blind[""].tolist() == blind["least"].tolist() == [0, 0, 0]


def test_equals_the_formula_with_the_logit_of_the_image_written_out():
    images, weights, masks = random(3, 3, H, W), random(H, W, seed=3) - 0.5, MASK.expand(3, -1, -1)
    model = Additive(weights)
    found = Reliance(seed=4)(masks, probe_of(model, images))
    for index, image in enumerate(images):
        places = elsewhere(MASK[0].numpy(), content_generator(image, 4))

        def fall(region, name, image=image):
            region = torch.as_tensor(region)
            filled = torch.where(region, FILLS[name](image[None], ~region[None])[0], image)
            return (model(image[None]) - model(filled[None]))[0, 1].item()

        values = [fall(MASK[0], name) - np.mean([fall(place, name) for place in places]) for name in FILLED_BY]
        assert found[""][index].item() == pytest.approx(np.mean(values))
        assert found["least"][index].item() == pytest.approx(min(values))


def test_batches_do_not_matter_and_eight_passes_are_what_it_takes():
    images, masks = random(3, 3, H, W), MASK.expand(3, -1, -1)
    found = []
    for batch_limit in (1, 5, 100):
        model = Additive(random(H, W, seed=3))
        probe = probe_of(model, images, batch_limit)
        found.append(Reliance()(masks, probe)[""])
        assert probe.passes == 3 * Reliance.passes == 24
        assert model.largest_batch == min(batch_limit, 24)
    found.append(torch.cat([Reliance()(MASK, probe_of(model, one[None]))[""] for one in images]))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_places_have_the_shape_of_the_mask_and_do_not_touch_it(seed):
    mask = np.zeros((H, W), bool)
    mask[3:10, 4], mask[9, 4:12], mask[5, 7] = True, True, True
    places = elsewhere(mask, np.random.default_rng(seed))
    assert len({place.tobytes() for place in places}) == N_PLACES
    for place in places:
        assert not (place & mask).any()
        rows, columns = np.nonzero(place)
        expected = np.nonzero(mask)
        assert np.array_equal(rows - rows.min(), expected[0] - 3)
        assert np.array_equal(columns - columns.min(), expected[1] - 4)


def test_a_mask_that_fits_nowhere_else_is_compared_with_as_many_pixels():
    ring = np.ones((H, W), bool)
    ring[6:-6, 6:-6] = False
    assert ring.sum() > (~ring).sum()
    wide = np.zeros((H, W), bool)
    wide[::2, ::2] = True
    wide[0, 0] = wide[-1, -1] = True
    for mask, size in ((ring, (~ring).sum()), (wide, wide.sum())):
        for place in elsewhere(mask, np.random.default_rng(0)):
            assert place.sum() == size
            assert not (place & mask).any()


def test_a_mask_of_all_pixels_has_nothing_to_be_compared_with():
    whole = torch.ones(1, H, W, dtype=torch.bool)
    assert not any(place.any() for place in elsewhere(whole[0].numpy(), np.random.default_rng(0)))
    found = Reliance()(whole, probe_of(Additive(random(H, W)), random(1, 3, H, W)))
    assert bool(found[""].isfinite())


def test_a_place_where_the_mask_fits_nowhere_is_one_region_around_a_pixel():
    """Scattered pixels would be noise of another kind than a hidden defect."""
    column = np.zeros((H, W), bool)
    column[:, 5:9] = column[3, 10:28] = True  # as high as the image, and moved along it still on itself
    for place in elsewhere(column, np.random.default_rng(1)):
        assert place.sum() == column.sum()
        assert not (place & column).any()
        rows, columns = np.nonzero(place)
        assert place.sum() > 0.4 * np.ptp(rows) * np.ptp(columns)


def test_a_mask_of_the_whole_image_leaves_nothing_to_compare_with():
    assert not any(place.any() for place in elsewhere(np.ones((H, W), bool), np.random.default_rng(1)))
