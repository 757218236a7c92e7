"""``python -m xairank.rank maps=...``: maps from files, without a network."""

import numpy as np
import pandas as pd

from tests.test_rank import DATA, place, run, runs_of

__all__ = ["place", "run"]  # fixtures


def test_maps_of_two_methods_are_ranked_by_their_overlap(run, place):
    for method in ("good", "bad"):
        for label in ("crack", "hole"):
            (place / "maps" / method / label).mkdir(parents=True)
            for n in range(8):
                mask = np.asarray(_image(place / f"data/nuts/ground_truth/{label}/{n:03}_mask.png")) > 0
                np.save(place / "maps" / method / label / f"{n:03}.npy", mask if method == "good" else ~mask)
    status, out, err = run("name=maps", *DATA, "maps=maps", "attribution.ladder=true")
    assert status == 0, err
    assert "what the model predicted is not known, so every defect counts" in out
    assert "Balanced accuracy" not in out
    (folder,) = runs_of(place, "maps")
    scores = pd.read_parquet(folder / "scores.parquet").groupby("method")["topk_overlap"].agg(["min", "max", "size"])
    assert scores.loc["good"].tolist() == [1, 1, 16]
    assert scores.loc["bad"].tolist() == [0, 0, 16]
    assert pd.read_parquet(folder / "scores.parquet")["probability"].isna().all()
    blurred = pd.read_parquet(folder / "variants.parquet").groupby(["method", "level"])["topk_overlap"].mean()
    assert blurred.loc["good"].is_monotonic_decreasing
    assert set(blurred.index.get_level_values("level")) == {2, 4, 8, 16, 32}
    assert set(blurred.index.get_level_values("method")) == {"good", "bad", "random", "center", "edges", "constant"}


def test_maps_alone_cannot_be_checked_by_random_weights(run, place):
    (place / "maps" / "mine").mkdir(parents=True)
    status, _, err = run("name=maps", *DATA, "maps=maps", "attribution.randomise=true")
    assert status == 2
    assert "attribution.randomise=true: needs the network, and maps= ranks maps alone" in err


def _image(path):
    from PIL import Image

    return Image.open(path)


def test_maps_of_what_was_misclassified_may_be_there_and_are_not_ranked(run, place):
    rows = ["image,predicted,probability"]
    for label in ("crack", "hole"):
        (place / "maps" / "mine" / label).mkdir(parents=True)
        for n in range(8):
            np.save(place / "maps" / "mine" / label / f"{n:03}.npy", np.random.default_rng(n).random((6, 6)))
            rows.append(f"{label}/{n:03},{'crack' if n < 6 else 'good'},0.{n}")
    rows += [
        f"{path.relative_to(place / 'data/nuts').with_suffix('')},good," for path in place.glob("data/nuts/*/good/*")
    ]
    (place / "predictions.csv").write_text("\n".join(rows))
    status, out, err = run("name=maps", *DATA, "maps=maps", "predictions=predictions.csv")
    assert status == 0, err
    assert "maps of mine are resized bilinearly from 6 x 6 to 48 x 48 pixels" in out
    (folder,) = runs_of(place, "maps")
    scores, excluded = pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "excluded.csv")
    scores = scores[scores["method"] == "mine"]
    assert scores["sample"].tolist() == [f"crack/{n:03}" for n in range(6)]
    assert scores["probability"].tolist() == [n / 10 for n in range(6)]
    assert excluded["reason"].value_counts().to_dict() == {"good": 10, "misclassified": 10}
