import pandas as pd
import pytest
from rich.console import Console

from xairank.experiment.summary import excluded_counts, print_summary, summarize

OVERLAPS = {"a": {"gradcam": 0.6, "saliency": 0.2}, "b": {"gradcam": 0.4, "saliency": 0.4}}
EXCLUDED = pd.DataFrame({"split": ["test"] * 4, "reason": ["good", "good", "misclassified", "empty_mask"]})


@pytest.fixture
def scores():
    rows = [
        {"split": "test", "sample": sample, "method": method, "topk_overlap": overlap, "k": 5, "n_pixels": 100}
        for sample, overlaps in OVERLAPS.items()
        for method, overlap in overlaps.items()
    ]
    return pd.DataFrame(rows)


def printed(scores, excluded=EXCLUDED, ties="shared"):
    console = Console(width=100, record=True, quiet=True)
    console.quiet = False
    with console.capture() as capture:
        print_summary(console, scores, excluded, ["gradcam", "saliency"], ties)
    return capture.get()


@pytest.mark.parametrize(("ties", "win_rates"), [("shared", [0.75, 0.25]), ("first", [1.0, 0.0])])
def test_means_and_win_rates_are_over_images(scores, ties, win_rates):
    summary = summarize(scores, ["gradcam", "saliency"], ties)
    assert summary["mean_overlap"].tolist() == pytest.approx([0.5, 0.3])
    assert summary["win_rate"].tolist() == win_rates
    assert summary["n_images"].tolist() == [2, 2]


def test_what_was_left_out_is_counted_by_reason():
    assert excluded_counts(EXCLUDED, "test") == "2 good, 1 misclassified, 1 empty mask"
    assert excluded_counts(EXCLUDED, "train") == "none"


def test_the_table_says_all_a_reader_must_know(scores):
    text = printed(scores)
    for words in ("gradcam", "0.500", "0.750", "2 good, 1 misclassified, 1 empty mask", "Chance overlap: 0.050"):
        assert words in text
    assert "2 images are too few to conclude" in text


def test_a_run_without_a_ranked_image_says_so(scores):
    assert "No image could be ranked" in printed(scores.iloc[:0])
