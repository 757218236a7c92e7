import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.ranking.studies import FACTS, Effects, scores_of
from xairank.ranking.bootstrap import bootstrap_interval, draw_resamples, two_way_p
from xairank.ranking.cases import case_matrices
from xairank.ranking.defects import FEW, correlate_defects, summarize_defects, undecided, who_leads_where
from xairank.ranking.pairs import holm
from xairank.schema import MetricFacts

LABELS = {"gradcam": "Grad-CAM", "saliency": "Saliency", "integrated_gradients": "Integrated gradients"}


def study(n_seeds=4, n_images=24, turned=True):
    """Saliency leads on the small half of the defects, Grad-CAM on the large half."""
    generator = np.random.default_rng(0)
    spread = {"seed_and_method": 0.05, "image_and_method": 0.2, "rest": 0.2}
    halves = [Effects((level, -level, -3.0), **spread).draw(generator, n_seeds, n_images // 2) for level in (-1, 1)]
    scores = scores_of(np.concatenate(halves if turned else [halves[1]] * 2, axis=2))
    numbers = scores["sample"].str[-3:].astype(int)
    shape = {"components": 1 + numbers % 2, "thinness": (numbers * 7 % n_images) / n_images}
    return scores.assign(k=100 + 50 * numbers, probability=0.5 + numbers * 5 % n_images / 100, **shape)


@pytest.fixture(scope="module")
def made():
    scores = study()
    scores["topk_overlap_chance"] = scores["k"] / scores["n_pixels"]
    return scores, summarize_defects(scores, "topk_overlap", FACTS)


def of_part(scores, place):
    """The cases in a third by size, by number."""
    numbers = scores["sample"].str[-3:].astype(int)
    return scores[numbers // 8 == place]


def test_means_of_a_part_are_those_of_a_plain_query(made):
    scores, found = made
    by_size = found[found["property"] == "size"].set_index(["part", "method"])
    for place, part in enumerate(("small", "medium", "large")):
        for method, rows in of_part(scores, place).groupby("method"):
            row = by_size.loc[(part, method)]
            chance = rows["topk_overlap_chance"]
            corrected = (rows["topk_overlap"] - chance) / (1 - chance)
            assert row["score"] == pytest.approx(rows["topk_overlap"].mean())
            assert row["chance_corrected"] == pytest.approx(corrected.mean())
            assert row["chance"] == pytest.approx(chance.mean())
            assert (row["n_images"], row["n_cases"]) == (8, 8)
            values = case_matrices(rows, "topk_overlap")[method]
            interval = bootstrap_interval(values, draw_resamples(4, 8), 0, 1)
            assert tuple(row[["score", "score_low", "score_high"]]) == pytest.approx(tuple(interval))


def test_the_lead_is_tested_over_the_parts_of_a_property_together(made):
    scores, found = made
    leads = found.drop_duplicates(["property", "part"])
    assert leads.groupby("property").size().to_dict() == {"size": 3, "thinness": 3, "components": 2, "confidence": 3}
    raw: dict[str, list] = {}
    for _, lead in leads.iterrows():
        if lead["property"] == "components":
            own = scores[(scores["components"] > 1) == (lead["part"] == "several pieces")]
        else:
            column = {"size": "k", "thinness": "thinness", "confidence": "probability"}[lead["property"]]
            ranks = scores.groupby("sample")[column].first().rank()
            names = found.loc[found["property"] == lead["property"], "part"].unique()
            places = ((ranks - 1) // 8).map(dict(enumerate(names)))
            own = scores[scores["sample"].map(places) == lead["part"]]
        wide = own.pivot(index="seed", columns=["method", "sample"], values="topk_overlap")
        ahead = wide[lead["leader"]] - wide[lead["second"]]
        assert lead["lead"] == pytest.approx(ahead.to_numpy().mean())
        p_values = stats.wilcoxon(ahead.mean().round(9)).pvalue, two_way_p(ahead.to_numpy())
        raw.setdefault(lead["property"], []).append(p_values)
    expected = np.hstack([[holm(np.array(some)) for some in zip(*own, strict=True)] for own in raw.values()])
    np.testing.assert_allclose(leads[["holm_p", "two_way_p"]].to_numpy(float).T, expected, rtol=1e-6)
    assert ((leads["verdict"] == "shown") == (expected < 0.05).all(axis=0)).all()


def test_another_leader_by_size_is_said_with_its_means(made):
    scores, found = made
    (sentence,) = [line for line in who_leads_where(found, LABELS) if "small" in line]
    means = [of_part(scores, place).groupby("method")["topk_overlap"].mean() for place in (0, 2)]
    small, large = ({name: f"{mean:.2f}" for name, mean in some.items()} for some in means)
    assert sentence.startswith(f"On small defects Saliency leads ({small['saliency']} against {small['gradcam']}), ")
    assert sentence.endswith(f"on large defects Grad-CAM leads ({large['gradcam']} against {large['saliency']}).")


def test_one_leader_everywhere_is_not_worth_a_word():
    found = summarize_defects(study(turned=False), "topk_overlap", FACTS)
    assert found["leader"].unique().tolist() == ["gradcam"]
    assert who_leads_where(found, LABELS) == []
    assert undecided(found) == ""


def test_leaders_that_differ_without_a_shown_lead_are_no_finding():
    rows = [("size", "on small defects", "a", "not shown"), ("size", "on large defects", "b", "not shown")]
    found = pd.DataFrame(rows, columns=["property", "where", "leader", "verdict"])
    assert who_leads_where(found, LABELS) == []
    assert undecided(found) == "By size who is ahead differs from part to part, but no lead is shown."


def test_lower_may_be_better():
    lower = MetricFacts("Distance", higher_is_better=False)
    found = summarize_defects(study(turned=False), "topk_overlap", lower)
    assert found["leader"].unique().tolist() == ["integrated_gradients"]
    assert (found["lead"] > 0).all()


def test_fewer_than_six_cases_have_means_and_no_verdict():
    found = summarize_defects(study(n_images=12), "topk_overlap", FACTS)
    by_size = found[found["property"] == "size"]
    assert by_size["n_cases"].unique().tolist() == [4]
    assert by_size["score"].notna().all()
    assert by_size["holm_p"].isna().all()
    assert set(by_size["verdict"]) == {FEW}
    assert (found.loc[found["property"] == "components", "verdict"] != FEW).all()
    assert not any("small" in line for line in who_leads_where(found, LABELS))


def test_one_method_leads_nobody():
    scores = study()
    found = summarize_defects(scores[scores["method"] == "gradcam"], "topk_overlap", FACTS)
    assert set(found["verdict"]) == {FEW}
    assert found["lead"].isna().all()


def test_scores_without_shape_or_rows_have_fewer_parts_or_none():
    old = study().drop(columns=["components", "thinness", "topk_overlap_chance"])
    found = summarize_defects(old, "topk_overlap", FACTS)
    assert found["property"].unique().tolist() == ["size", "confidence"]
    assert found[["chance", "chance_corrected"]].isna().all(axis=None)
    assert summarize_defects(old.head(0), "topk_overlap", FACTS).empty


def test_correlations_are_those_of_scipy(made):
    scores, _ = made
    found = correlate_defects(scores, "topk_overlap", FACTS).set_index(["property", "method"])
    own = scores[scores["method"] == "gradcam"]
    chance = own["topk_overlap_chance"]
    values = ((own["topk_overlap"] - chance) / (1 - chance)).groupby(own["sample"]).mean()
    for name, column in (("size", "k"), ("thinness", "thinness"), ("components", "components")):
        expected = stats.spearmanr(own.groupby("sample")[column].first(), values).statistic
        row = found.loc[(name, "gradcam")]
        assert row["spearman"] == pytest.approx(expected)
        assert -1 < row["spearman_low"] < expected < row["spearman_high"] < 1
    assert correlate_defects(scores[scores["sample"] < "cut/005"], "topk_overlap", FACTS).empty


def test_the_interval_of_a_correlation_covers_the_truth():
    generator = np.random.default_rng(0)
    truth, covered = 6 / np.pi * np.arcsin(0.5 / 2), 0
    for _ in range(200):
        pairs = generator.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 30)
        names = [f"cut/{number:03}" for number in range(30)]
        columns = {"case": names, "sample": names, "label": "cut", "k": 1, "n_pixels": 9, "seed": 1, "fold": 0}
        scores = pd.DataFrame(
            {**columns, "method": "a", "thinness": pairs[:, 0], "score": pairs[:, 1], "probability": 1.0}
        )
        (row,) = correlate_defects(scores, "score", MetricFacts("Score", low=None, high=None)).to_dict("records")
        covered += row["spearman_low"] < truth < row["spearman_high"]
    assert covered / 200 == pytest.approx(0.95, abs=0.04)
