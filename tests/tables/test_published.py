"""The published per-seed figures through our own aggregation are the paper's tables, to the last digit."""

import re

import pytest

from tests.runs_fixture import fake_config
from xairank.ranking.wins import mean_over_seeds
from xairank.schema import TRAINING_METRICS
from xairank.tables.performance import last_epoch
from xairank.tables.published import (
    PROTOCOL,
    WIN_RATE,
    compare_protocol,
    leaves_of,
    published_methods,
    published_metrics,
    published_win_rates,
)
from xairank.tables.table import mean_and_std

# Tables 2, 3 and 4 as printed in the paper; bold is the best of a row.
TABLE_2 = {
    "train": "0.0631 ± 0.0530 | 0.0581 ± 0.0527 | 0.0050 ± 0.0007 | 0.9837 ± 0.0144",
    "test": "0.2087 ± 0.1745 | 0.2006 ± 0.1736 | 0.0081 ± 0.0014 | 0.9443 ± 0.0467",
}
WIN_RATES = {
    "train": {
        "overall": "**0.8713** ± 0.0678 | 0.0486 ± 0.0382 | 0.0801 ± 0.0564",
        "crack": "**0.9104** ± 0.0740 | 0.0591 ± 0.0543 | 0.0305 ± 0.0495",
        "cut": "**0.7968** ± 0.1119 | 0.0160 ± 0.0321 | 0.1872 ± 0.1181",
        "hole": "**0.8643** ± 0.1445 | 0.1143 ± 0.1204 | 0.0214 ± 0.0327",
        "print": "**0.9077** ± 0.1278 | 0.0000 ± 0.0000 | 0.0923 ± 0.1278",
    },
    "test": {
        "overall": "**0.9017** ± 0.0739 | 0.0192 ± 0.0405 | 0.0792 ± 0.0712",
        "crack": "**0.9167** ± 0.1291 | 0.0333 ± 0.1000 | 0.0500 ± 0.1000",
        "cut": "**0.8250** ± 0.1601 | 0.0000 ± 0.0000 | 0.1750 ± 0.1601",
        "hole": "**0.9250** ± 0.1601 | 0.0500 ± 0.1500 | 0.0250 ± 0.0750",
        "print": "**0.9500** ± 0.1000 | 0.0000 ± 0.0000 | 0.0500 ± 0.1000",
    },
}


def printed(cells, order, *, best=False):
    largest = max(cell["mean"] for cell in cells.values())
    return " | ".join(
        mean_and_std(cells[name]["mean"], cells[name]["std"], bold=best and cells[name]["mean"] == largest)
        for name in order
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_last_epoch_gives_table_2(split):
    table = last_epoch(published_metrics())
    cells = table[table["split"] == split].set_index("metric").to_dict("index")
    assert printed(cells, TRAINING_METRICS) == TABLE_2[split]
    assert {cell["n_seeds"] for cell in cells.values()} == {10}


@pytest.mark.parametrize("split", ["train", "test"])
def test_win_rates_over_seeds_give_tables_3_and_4(split):
    table = mean_over_seeds(published_win_rates(), WIN_RATE)
    for label, expected in WIN_RATES[split].items():
        cells = table[(table["split"] == split) & (table["label"] == label)].set_index("method").to_dict("index")
        assert printed(cells, published_methods(), best=True) == expected


def test_expected_rows_are_those_of_the_paper_itself(shared):
    paper = (shared / "paper" / "paper.md").read_text()
    plain = re.sub(r"[*$]|</?b>", "", paper).replace(r"\pm", "±").replace("\t", " | ")
    for rows in (TABLE_2, *WIN_RATES.values()):
        for row in rows.values():
            assert row.replace("*", "") in plain


def test_facts_are_those_shared(shared):
    import json
    from importlib import resources

    carried = json.loads(resources.files("xairank.tables").joinpath("published_results.json").read_text())
    assert carried == json.loads((shared / "paper" / "published_results.json").read_text())
    assert "github.com/khoaphamanh/project_iml" in carried["source"]


def reference(**overrides):
    """The configuration of the released code."""
    protocol = {
        "data.augment_evaluation": True,
        "model.mask_loss": "mse",
        "model.normalize": False,
        "ranking.ties": "first",
    }
    return fake_config(**{**protocol, **overrides})


ALL = [*TRAINING_METRICS, WIN_RATE]


def test_the_released_codes_own_protocol_compares_without_a_word():
    found = compare_protocol(reference(), ALL)
    assert (found.words, found.reasons, found.remarks) == ({}, [], [])


@pytest.mark.parametrize(
    ("overrides", "ruled_out", "word"),
    [
        ({"data.category": "transistor"}, ALL, "other category"),
        ({"data.synthetic": {"good": 5}}, ALL, "rendered images"),
        ({"model.encoder": "resnet18"}, ALL, "other encoder"),
        ({"trainer.max_epochs": 15}, ALL, "other number of epochs"),
        ({"model.mask_loss": "bce"}, ["loss", "mask_loss"], "other mask loss"),
        ({"model.class_weights": "none"}, ["loss", "classification_loss"], "other weights"),
    ],
)
def test_what_another_protocol_rules_out(overrides, ruled_out, word):
    found = compare_protocol(reference(**overrides), ALL)
    assert found.words == dict.fromkeys(ruled_out, word)
    [reason] = found.reasons
    [key] = overrides
    assert word in reason
    assert key in reason


def test_what_only_calls_for_a_remark():
    found = compare_protocol(reference(**{"model.normalize": True, "data.num_workers": 0}), ALL)
    assert found.words == {}
    assert found.remarks == ["model.normalize is true, false in the published runs"]


def test_measures_hear_only_of_what_touches_them():
    shared_ties = reference(**{"ranking.ties": "shared", "model.mask_loss": "bce"})
    assert not any("ties" in remark for remark in compare_protocol(shared_ties, TRAINING_METRICS).remarks)
    wins = compare_protocol(shared_ties, [WIN_RATE])
    assert wins.words == {}
    assert len(wins.remarks) == 2


def test_win_rates_among_other_methods_do_not_compare():
    config = reference()
    del config["attribution"]["methods"]["saliency"]
    assert compare_protocol(config, [WIN_RATE]).words == {"win_rate": "other methods"}
    assert compare_protocol(config, TRAINING_METRICS).words == {}


def test_every_condition_is_a_key_of_the_configuration():
    assert {condition.key for condition in PROTOCOL} <= leaves_of(fake_config()).keys()
