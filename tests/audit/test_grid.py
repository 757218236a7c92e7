from dataclasses import replace

import pytest

from audit.__main__ import main
from audit.collect import collect, read_results, write_results
from audit.grid import FOLDS, RENDERED, SWITCHES, WEIGHTS, Places, grid
from audit.running import Selection, lacking, run_all, runs_of
from tests.training import command
from xairank.config import flatten
from xairank.data.synthetic import SyntheticCategory, render_category

DEFECTS = {"crack": 6, "cut": 6, "hole": 6, "print": 6}
TINY = replace(
    RENDERED,
    overrides=(
        *(*RENDERED.overrides, "data.image_size=64", "data.batch_size=8"),
        *("data.synthetic.image_size=64", "data.synthetic.good=6"),
        "data.synthetic.defects={{crack:6,cut:6,hole:6,print:6}}",
    ),
    images=30,
    defects=24,
    epochs=8,
)


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    return Places(weights=tmp_path, accelerator="cpu")


def cell(key):
    return next(cell for cell in grid() if cell.key == key)


def determined(key, places):
    """The configuration of a cell's first run, by key."""
    run = next(runs_of(Selection([cell(key)]), places))
    return flatten(run.job.folder.config)


def test_cells_have_names_of_their_own():
    cells = list(grid())
    assert len({cell.sweep() for cell in cells}) == len(cells)
    assert {cell.switch for cell in cells if cell.data.name == "hazelnut"} >= {"base", "randomised", "steps", *SWITCHES}


def test_a_switch_changes_what_it_names_and_nothing_else(places):
    base = determined("hazelnut/base", places)
    for switch, expected in {
        "mask_loss": {"model.mask_loss": "mse"},
        "reference_code": {
            "data.augment_evaluation": True,
            "model.mask_loss": "mse",
            "model.normalize": False,
            "ranking.ties": "first",
        },
    }.items():
        found = determined(f"hazelnut/{switch}", places)
        explaining = {"attribution.methods", "evaluation.metrics"}  # fewer of both
        changed = {key: value for key, value in found.items() if base.get(key) != value and key not in explaining}
        assert changed == {**expected, "name": f"audit_hazelnut_{switch}", "attribution.ladder": False}


def test_all_folds_of_a_seed_come_before_the_next_seed(places):
    runs = list(runs_of(Selection([cell("hazelnut/base")], seeds=[42, 43]), places))
    assert [(run.seed, run.fold) for run in runs] == [(seed, fold) for seed in (42, 43) for fold in FOLDS]
    assert len({run.job.folder.path for run in runs}) == 10


def test_a_run_that_fails_stops_no_other_and_what_is_complete_is_not_run_again(places, tmp_path):
    scratch = ("model.encoder=resnet10t", "model.pretrained=false", "model.encoder_weights=null")
    good = replace(cell("rendered/base"), data=TINY, seeds=(1,), folds=(0,))
    good = replace(good, methods=good.methods[:2], overrides=(*good.overrides, *scratch))
    bad = replace(good, switch="missing", data=replace(RENDERED, overrides=("data=mvtec", "data.root=nowhere")))
    selection = Selection([bad, good], prefix="test")
    said = []
    run_all(runs_of(selection, places), tmp_path / "log", say=said.append)
    assert "rendered/missing seed 1 fold 0: failed (data.root=nowhere" in said[0]
    assert said[1].startswith("rendered/base seed 1 fold 0: complete")
    (left,) = lacking(runs_of(selection, places))
    assert "rendered/missing seed 1 fold 0: data.root=nowhere" in left
    run_all(runs_of(Selection([good], prefix="test"), places), tmp_path / "log", say=said.append)
    assert len(said) == 2
    check_collected(tmp_path)
    check_transfer(good, replace(places, data=tmp_path), said)


def check_collected(folder):
    tables = collect(folder / "multirun", "test")
    write_results(tables, folder / "results")
    found = read_results(folder / "results")
    assert found["runs"][["data", "switch", "seed", "fold"]].values.tolist() == [["rendered", "base", 1, 0]]
    ranked = {tuple(row) for row in found["images"][["split", "sample"]].values.tolist()}
    left_out = {tuple(row) for row in found["excluded"][["split", "sample"]].values.tolist()}
    assert ranked
    assert not ranked & left_out
    assert len(ranked | left_out) == 30
    scores = found["scores"]
    assert len(scores) == len(ranked) * scores["method"].nunique()
    constant = scores[scores["method"] == "constant"].merge(found["images"], on="sample")
    assert constant["topk_overlap"].tolist() == pytest.approx((constant["k"] / constant["n_pixels"]).tolist(), abs=1e-6)


def check_transfer(trained, places, said):
    """Its network, which has seen rendered nuts alone, is ranked on all images of a category of the real ones' name."""
    place = places.data / "hazelnut_defects" / "hazelnut"
    render_category(place, SyntheticCategory(good=6, defects=DEFECTS, image_size=64, seed=1))
    selection = Selection([replace(cell("hazelnut/from_rendered"), trained=trained)], prefix="test")
    run_all(runs_of(selection, places), places.data / "log", say=said.append)
    assert said[-1].startswith("hazelnut/from_rendered seed 1 fold 0: complete")
    images = collect(places.data / "multirun", "test", selection.cells)["images"]
    assert len(images)
    assert set(images["split"]) == {"test"}


def test_an_unknown_cell_is_named(monkeypatch, capsys):
    status, _, errors = command(monkeypatch, capsys, "--only", "nuts", main=main)
    assert status == 2
    assert "--only nuts: no such cell; expected one of hazelnut/base, " in errors


def test_other_runs_than_those_of_the_audit_need_another_name(monkeypatch, capsys):
    status, _, errors = command(monkeypatch, capsys, "trainer.max_epochs=1", main=main)
    assert status == 2
    assert "trainer.max_epochs=1: changes the runs of the audit; give them another --prefix" in errors


def test_a_dry_run_names_the_cells_and_their_cost(monkeypatch, capsys):
    status, output, _ = command(monkeypatch, capsys, "--dry-run", "--only", "hazelnut/base", "--seeds", "42", main=main)
    assert status == 0
    assert "hazelnut/base" in output
    assert "175" in output  # five folds, 35 defects
