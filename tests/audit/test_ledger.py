import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from audit.ledger import FEW, LARGER, NOT_SHOWN, SMALLER, Ledger
from xairank.ranking.bootstrap import two_way_p
from xairank.ranking.margins import Margin
from xairank.ranking.pairs import wilcoxon

generator = np.random.default_rng(0)


def margin(mean, n_cases=20, n_seeds=4):
    by_seed = mean + generator.normal(0, 0.1, (n_seeds, n_cases))
    return Margin(by_seed, by_seed.mean(axis=0))


def test_all_tests_of_the_document_are_corrected_together():
    margins = {f"{number}": margin(number / 40) for number in range(6)}
    ledger = Ledger()
    names = {key: ledger.add(int(key) % 3, key, one) for key, one in margins.items()}
    decided = ledger.decide()
    by_wilcoxon = [wilcoxon(one.by_case.round(9)) for one in margins.values()]
    by_student = [two_way_p(one.by_seed) for one in margins.values()]
    corrected = [multipletests(p, method="holm")[1] for p in (by_wilcoxon, by_student)]
    for key, *both in zip(margins, *corrected, strict=True):
        assert decided[names[key]].p == pytest.approx(max(both))


def test_verdicts_follow_the_sign_and_the_number_of_cases():
    ledger = Ledger()
    names = {
        LARGER: ledger.add(1, "larger", margin(0.5)),
        SMALLER: ledger.add(1, "smaller", margin(-0.5)),
        NOT_SHOWN: ledger.add(1, "none", margin(0.0)),
        FEW: ledger.add(1, "few", margin(0.5, n_cases=5)),
    }
    decided = ledger.decide()
    assert {verdict: decided[name].verdict for verdict, name in names.items()} == {key: key for key in names}
    assert "would have been seen with 80 % probability" in str(decided[names[NOT_SHOWN]])
    assert "n = 5, too few to test" in str(decided[names[FEW]])
    assert decided[names[LARGER]].cell.startswith("**0.")


def test_no_test_is_registered_twice():
    ledger = Ledger()
    ledger.add(1, "a", margin(0))
    with pytest.raises(ValueError, match=r"1\. a: registered twice"):
        ledger.add(1, "a", margin(0))
