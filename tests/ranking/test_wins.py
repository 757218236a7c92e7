import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from xairank.ranking.wins import count_images, mean_over_seeds, mid_ranks, win_rates, win_shares

METHODS = ["gradcam", "saliency", "integrated_gradients"]


def scores_of(overlaps, *, seed=0, fold=0, split="test", labels=None, group=None):
    """Rows of scores from overlaps (images, methods)."""
    rows = [
        {
            "seed": seed,
            "fold": fold,
            "split": split,
            "sample": f"crack/{image:03}",
            "label": labels[image] if labels else "crack",
            "method": METHODS[method],
            "topk_overlap": overlap,
        }
        for method in range(np.shape(overlaps)[1])
        for image, overlap in enumerate(np.asarray(overlaps)[:, method])
    ]
    table = pd.DataFrame(rows).astype({"fold": "Int64"})
    return table if group is None else table.assign(group=group)


def as_matrix(scores, values):
    return scores.assign(value=values).pivot(index="sample", columns="method", values="value")[METHODS].to_numpy()


def test_ranks_equal_scipy_on_random_overlaps_with_ties():
    overlaps = np.random.default_rng(0).integers(0, 4, (200, 3)) / 4
    scores = scores_of(overlaps).sample(frac=1, random_state=0)
    np.testing.assert_array_equal(as_matrix(scores, mid_ranks(scores, "topk_overlap")), rankdata(-overlaps, axis=1))


@pytest.mark.parametrize(
    ("overlaps", "ranks", "shared", "first"),
    [
        ([0.9, 0.1, 0.5], [1, 3, 2], [1, 0, 0], [1, 0, 0]),
        ([0.0, 0.0, 0.0], [2, 2, 2], [1 / 3, 1 / 3, 1 / 3], [1, 0, 0]),
        ([0.1, 0.4, 0.4], [3, 1.5, 1.5], [0, 0.5, 0.5], [0, 1, 0]),
        ([0.4, 0.1, 0.1], [1, 2.5, 2.5], [1, 0, 0], [1, 0, 0]),
    ],
)
def test_ranks_and_wins_of_one_image(overlaps, ranks, shared, first):
    scores = scores_of([overlaps])
    np.testing.assert_allclose(as_matrix(scores, mid_ranks(scores, "topk_overlap"))[0], ranks)
    np.testing.assert_allclose(as_matrix(scores, win_shares(scores, "topk_overlap"))[0], shared)
    np.testing.assert_allclose(as_matrix(scores, win_shares(scores, "topk_overlap", ties="first"))[0], first)


def test_first_follows_the_given_order_and_not_that_of_the_rows():
    scores = scores_of([[0.2, 0.2, 0.2]])
    assert as_matrix(scores, win_shares(scores, "topk_overlap", ties="first", methods=METHODS[::-1])).tolist() == [
        [0, 0, 1]
    ]
    backwards = scores[::-1]
    assert as_matrix(backwards, win_shares(backwards, "topk_overlap", ties="first", methods=METHODS)).tolist() == [
        [1, 0, 0]
    ]


def test_float_noise_makes_no_difference():
    noisy = scores_of([[0.1 + 0.2, 0.3, 0.3 - 1e-12]])
    assert noisy["topk_overlap"].nunique() == 3
    assert as_matrix(noisy, mid_ranks(noisy, "topk_overlap")).tolist() == [[2, 2, 2]]
    np.testing.assert_allclose(as_matrix(noisy, win_shares(noisy, "topk_overlap")), 1 / 3)
    assert as_matrix(noisy, win_shares(noisy, "topk_overlap", ties="first")).tolist() == [[1, 0, 0]]


def test_the_same_sample_in_another_split_seed_fold_or_group_is_another_image():
    tables = [
        scores_of([[0.9, 0.1, 0.2]], seed=1, group="a"),
        scores_of([[0.1, 0.9, 0.2]], seed=2, group="a"),
        scores_of([[0.1, 0.2, 0.9]], seed=1, fold=1, group="a"),
        scores_of([[0.3, 0.3, 0.2]], seed=1, split="train", group="a"),
        scores_of([[0.5, 0.5, 0.5]], seed=1, group="b"),
    ]
    scores = pd.concat(tables, ignore_index=True)
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [1 / 3] * 3]
    np.testing.assert_allclose(win_shares(scores, "topk_overlap").to_numpy().reshape(5, 3), expected)


def test_images_without_a_fold_are_kept():
    scores = scores_of([[0.9, 0.1, 0.2], [0.1, 0.9, 0.2]]).assign(fold=pd.array([pd.NA] * 6, "Int64"))
    assert win_shares(scores, "topk_overlap").sum() == 2
    assert mid_ranks(scores, "topk_overlap").notna().all()
    assert win_shares(scores, "topk_overlap", ties="first").sum() == 2


def test_win_rates_by_brute_force():
    generator = np.random.default_rng(1)
    labels = ["cut", "crack", "hole"] * 5
    tables = [
        scores_of(generator.integers(0, 5, (15, 3)) / 5, seed=seed, split=split, labels=labels)
        for seed in (3, 1)
        for split in ("train", "test")
    ]
    scores = pd.concat(tables, ignore_index=True)
    scores = scores[~((scores["seed"] == 1) & (scores["sample"] == "crack/000"))]
    rates = win_rates(scores, "topk_overlap").set_index(["split", "label", "method", "seed"])
    assert rates.index.is_unique
    for (split, label, method, seed), rate in rates.iterrows():
        of_seed = scores[(scores["split"] == split) & (scores["seed"] == seed)]
        shares = []
        for _, image in of_seed.groupby("sample"):
            if label in ("overall", image["label"].iloc[0]):
                winners = image[image["topk_overlap"] == image["topk_overlap"].max()]["method"].tolist()
                shares.append((method in winners) / len(winners))
        assert rate["win_rate"] == pytest.approx(np.mean(shares))
        assert rate["n_ranked"] == len(shares)
    assert len(rates) == 2 * 4 * 3 * 2


def test_with_folds_a_seeds_win_rate_is_over_the_images_of_all_folds():
    scores = pd.concat([scores_of([[1, 0, 0]] * 3, fold=0), scores_of([[0, 1, 0]], fold=1)], ignore_index=True)
    rates = win_rates(scores, "topk_overlap").query("label == 'overall'").set_index("method")["win_rate"]
    assert rates["gradcam"] == 0.75


def test_mean_over_seeds_is_mean_and_population_deviation():
    table = pd.DataFrame({"method": ["a"] * 4, "seed": range(4), "win_rate": [0.0, 0.5, 1.0, np.nan]})
    [row] = mean_over_seeds(table, "win_rate").to_dict("records")
    assert row == {"method": "a", "mean": 0.5, "std": pytest.approx(np.sqrt(1 / 6)), "n_seeds": 3}


def test_images_are_counted_once_however_many_seeds_ranked_them():
    scores = pd.concat(
        [
            scores_of([[1, 0, 0]] * 3, seed=1, labels=["cut", "cut", "crack"]),
            scores_of([[1, 0, 0]] * 2, seed=2, labels=["cut", "cut"]),
        ],
        ignore_index=True,
    )
    counts = count_images(scores)
    assert counts.to_dict() == {("test", "overall"): 3, ("test", "crack"): 1, ("test", "cut"): 2}
