import numpy as np
import pandas as pd
import pytest

from xairank.ranking.randomisation import check_randomisation, randomisation_curves, who_fails
from xairank.schema import SPEARMAN, MetricFacts

FACTS = MetricFacts("Top-K Overlap")
LEVELS = (1, 2, 3)
NONE = pd.DataFrame(columns=["seed", "fold", "sample", "case", "method", "score"])


def study(effects, likeness, n_cases=24, seeds=(1, 2, 3, 4, 5), start=0):
    """Scores of a trained network, and of the same with weights re-initialised, of which ``effects`` says the fall."""
    generator = np.random.default_rng(start)
    image = generator.normal(0, 0.08, n_cases)
    trained, randomised = [], []
    for method, fall in effects.items():
        for seed in seeds:
            for case in range(n_cases):
                key = (seed, 0, f"cut/{case:03}", f"cut/{case:03}", method)
                trained.append((*key, 0.5 + image[case] + generator.normal(0, 0.03)))
                for level in LEVELS:
                    score = 0.5 + image[case] - fall * level / 3 + generator.normal(0, 0.03)
                    alike = 1 - (1 - likeness[method]) * level / 3 + generator.normal(0, 0.05)
                    randomised.append((*key, score, level, f"stage {level}", alike))
    columns = ["seed", "fold", "sample", "case", "method", "score"]
    return (
        pd.DataFrame(trained, columns=columns),
        pd.DataFrame(randomised, columns=[*columns, "level", "changed", SPEARMAN]),
    )


def test_verdicts_of_methods_whose_fall_is_known():
    trained, randomised = study({"good": 0.3, "flat": 0.0, "alike": 0.3}, {"good": 0.05, "flat": 0.1, "alike": 0.9})
    found = check_randomisation(trained, randomised, NONE, "score", FACTS).set_index("method")
    assert found["verdict"].to_dict() == {"good": "falls", "flat": "not shown to fall", "alike": "maps stay alike"}
    assert found.loc["good", "difference"] == pytest.approx(0.3, abs=0.03)
    assert found.loc["good", "trained"] == pytest.approx(trained.query("method == 'good'")["score"].mean())
    last = randomised[(randomised["level"] == 3) & (randomised["method"] == "alike")]
    assert found.loc["alike", "likeness"] == pytest.approx(last[SPEARMAN].mean())


def test_a_rise_is_no_fall_unless_less_is_better():
    trained, randomised = study({"rises": -0.3}, {"rises": 0.0})
    assert check_randomisation(trained, randomised, NONE, "score", FACTS)["verdict"].item() == "not shown to fall"
    lower = MetricFacts("Distance", higher_is_better=False)
    assert check_randomisation(trained, randomised, NONE, "score", lower)["verdict"].item() == "falls"


def test_who_stays_above_a_control_without_weights_fails():
    trained, randomised = study({"high": 0.1, "low": 0.4}, {"high": 0.1, "low": 0.1})
    controls = trained[trained["method"] == "low"].assign(method="center", score=lambda rows: rows["score"] - 0.3)
    found = check_randomisation(trained, randomised, controls, "score", FACTS).set_index("method")
    assert found["verdict"].to_dict() == {"high": "stays above the controls", "low": "falls"}


def test_images_that_were_not_randomised_do_not_count():
    trained, randomised = study({"good": 0.3}, {"good": 0.0})
    some = randomised[randomised["sample"] < "cut/012"]
    found = check_randomisation(trained, some, NONE, "score", FACTS)
    expected = trained[trained["sample"] < "cut/012"]["score"].mean()
    assert found["trained"].item() == pytest.approx(expected)


def test_curves_begin_with_the_trained_network():
    trained, randomised = study({"good": 0.3}, {"good": 0.0})
    curves = randomisation_curves(trained, randomised, "score", FACTS)
    scores = curves[curves["measure"] == "score"].set_index("level")["score"]
    assert list(scores.index) == [0, 1, 2, 3]
    assert scores[0] == pytest.approx(trained["score"].mean())
    assert scores[3] == pytest.approx(randomised[randomised["level"] == 3]["score"].mean())
    assert curves[curves["measure"] == SPEARMAN].set_index("level").loc[0, "score"] == 1


def test_rows_of_other_folds_do_not_count():
    trained, randomised = study({"good": 0.3}, {"good": 0.0})
    other = trained.assign(fold=1, score=0.0)
    found = check_randomisation(pd.concat([trained, other]), randomised, NONE, "score", FACTS)
    assert found["trained"].item() == pytest.approx(trained["score"].mean())


def test_a_method_at_chance_has_nothing_to_lose():
    trained, randomised = study({"poor": 0.0}, {"poor": 0.1})
    trained["score_chance"] = 0.6
    assert check_randomisation(trained, randomised, NONE, "score", FACTS)["verdict"].item() == "nothing to lose"
    trained["score_chance"] = 0.4
    assert check_randomisation(trained, randomised, NONE, "score", FACTS)["verdict"].item() == "not shown to fall"


def test_where_the_cases_cannot_show_a_fall_only_alike_maps_are_named():
    methods = [f"m{number}" for number in range(20)]
    trained, randomised = study(
        dict.fromkeys(methods, 0.3), {name: 0.9 if name == "m0" else 0.0 for name in methods}, 8
    )
    found = check_randomisation(trained, randomised, NONE, "score", FACTS).set_index("method")
    assert found["verdict"].value_counts().to_dict() == {"": 19, "maps stay alike": 1}
    more = study(dict.fromkeys(methods, 0.3), dict.fromkeys(methods, 0.0), 10)  # 1 + log2(20 / 0.05) = 9.6
    assert set(check_randomisation(*more, NONE, "score", FACTS)["verdict"]) == {"falls"}


def test_words():
    trained, randomised = study({"good": 0.3, "flat": 0.0, "alike": 0.3}, {"good": 0.05, "flat": 0.1, "alike": 0.9})
    found = check_randomisation(trained, randomised, NONE, "score", FACTS)
    labels = {"good": "Grad-CAM", "flat": "Edges of something", "alike": "Guided"}
    fails, stays = who_fails(found, labels).split("; ")
    assert fails.startswith("Guided fails the randomisation check (0.")
    assert stays.startswith("Edges of something is not shown to fall without the trained weights (0.")
    passing = who_fails(found[found["method"] == "good"], labels)
    assert passing == "All methods pass the randomisation check: without the trained weights their scores fall."
    few = check_randomisation(*study({"good": 0.3}, {"good": 0.0}, n_cases=5), NONE, "score", FACTS)
    assert who_fails(few, labels) == ""
    assert check_randomisation(trained, randomised.head(0), NONE, "score", FACTS).empty
