import numpy as np
import pandas as pd
import pytest

from tests.ranking.studies import FACTS, Effects, scores_of
from xairank.ranking.conclusion import conclude
from xairank.ranking.pairs import critical_difference
from xairank.ranking.statistics import Comparison, compare_methods


def comparison(verdicts, *, ranks=(1.2, 2.3, 2.5), n_images=16, n_cases=None, n_seeds=10):
    methods = ["gradcam", "integrated_gradients", "saliency"][: len(ranks)]
    pairs = [(0, 1), (0, 2), (1, 2)][: len(verdicts)]
    rows = [
        {"method": methods[a], "other": methods[b], "rank_difference": ranks[b] - ranks[a], "verdict": verdict}
        for (a, b), verdict in zip(pairs, verdicts, strict=True)
    ]
    difference = critical_difference(n_images, len(ranks))
    return Comparison(
        n_seeds, n_images, n_cases or n_images, pd.Series(ranks, methods), 9.0, 0.01, difference, pd.DataFrame(rows)
    )


def test_says_which_differ_which_are_not_shown_to_and_how_many_images_would_do():
    text = conclude(comparison(["differ", "differ", "not shown to differ"]))
    assert text.startswith("Gradcam ranks above Integrated gradients and Saliency; ")
    assert "Integrated gradients is not shown to differ from Saliency." in text
    assert "By ranks alone (Nemenyi) 16 images separate mean ranks 0.83 apart; " in text
    number = int(text.split("about ")[1].split()[0])
    assert critical_difference(number, 3) <= 0.2 < critical_difference(number - 1, 3)


@pytest.mark.parametrize(
    ("verdicts", "options", "expected"),
    [
        (["differ"] * 3, {}, "16 images are enough to separate all methods."),
        (["not shown to differ"] * 3, {}, "No two methods are shown to differ."),
        (["not shown to differ"] * 3, {"n_images": 6}, "6 images cannot show a difference between 3 methods; 7 could."),
        (["not shown to differ"] * 3, {"ranks": (2.0, 2.0, 2.0)}, "more than 10,000 images"),
        (
            ["not shown to differ"],
            {"ranks": (1.1, 1.9)},
            "not shown to differ from Integrated gradients. By ranks alone (Nemenyi) 16 images separate",
        ),
        (["differ"] * 3, {"n_seeds": 1}, "This is one seed: another may rank differently."),
        (
            ["differ", "differ", "differ on these seeds"],
            {},
            "other seeds may reverse the order. 16 images are enough to separate all methods, but 10 seeds are not.",
        ),
        (["", "", ""], {"n_images": 5}, "5 images are too few: with fewer than 6, no test can reach p < 0.05."),
        (["", "", ""], {"n_images": 1}, "1 image is too few"),
        (["differ"] * 3, {"n_cases": 14}, "14 cases (16 images) are enough"),
        (["", "", ""], {"n_cases": 5}, "5 cases (16 images) are too few"),
        ([], {"ranks": (1.0,)}, "only one method"),
    ],
)
def test_says_what_is_to_be_known(verdicts, options, expected):
    assert expected in conclude(comparison(verdicts, **options))


def test_the_smallest_number_of_images_said_to_suffice_does():
    # All differences of one sign: Holm's p of three methods is 3 * 2 ** (1 - n).
    clear = Effects(methods=(3.0, 0.0, -3.0), seed=0, seed_and_method=0, image_and_method=0.05, rest=0.05)
    for n_images, suffices in ((6, False), (7, True)):
        scores = scores_of(clear.draw(np.random.default_rng(0), 3, n_images))
        found = compare_methods(scores, "topk_overlap", FACTS)
        assert (found.pairs["holm_p"] < 0.05).all() == suffices
        assert ("cannot show" not in conclude(found)) == suffices
