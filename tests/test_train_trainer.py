"""Arguments of Lightning's Trainer as keys of the command."""

import json
import sys

import pandas as pd
import torch
import yaml

from tests.training import only_run
from xairank.runs.identity import run_label


def test_any_argument_of_the_trainer_is_a_key(run, tmp_path):
    run("trainer.max_epochs=2", "name=plain")
    plain = next(tmp_path.glob("multirun/plain/*"))
    status, _, err = run("trainer.max_epochs=2", "trainer.gradient_clip_val=1.0e-3", "trainer.limit_train_batches=2")
    assert status == 0, err
    folder = only_run(tmp_path)
    assert "trainer.gradient_clip_val" in run_label(["++trainer.gradient_clip_val=1.0e-3"], 1)
    trainer = yaml.safe_load((folder / "config.yaml").read_text())["trainer"]
    assert (trainer["gradient_clip_val"], trainer["limit_train_batches"]) == (0.001, 2)
    steps = [torch.load(path / "checkpoints/last.ckpt", weights_only=True)["global_step"] for path in (plain, folder)]
    assert steps == [8, 4]
    assert (
        json.loads((folder / "run.json").read_text())["identity"]
        != (json.loads((plain / "run.json").read_text())["identity"])
    )


def test_an_experiment_may_set_arguments_of_the_trainer(tmp_path):
    from tests.test_config import composed

    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\ntrainer:\n  gradient_clip_val: 1\n")
    config = composed("experiment=mine", f"hydra.searchpath=[{tmp_path / 'conf'}]")
    assert config["trainer"]["gradient_clip_val"] == 1


def test_accumulated_batches_have_dropout_of_their_own(run, tmp_path, monkeypatch):
    from xairank.models import MultitaskModule

    seeds = []
    original = MultitaskModule.training_step

    def training_step(self, batch):
        loss = original(self, batch)
        seeds.append(torch.initial_seed())
        return loss

    monkeypatch.setattr(MultitaskModule, "training_step", training_step)
    status, _, err = run("trainer.max_epochs=2", "trainer.accumulate_grad_batches=2")
    assert status == 0, err
    assert len(set(seeds)) == len(seeds) == 8


def test_epochs_without_evaluation_are_left_empty(run, tmp_path):
    status, _, err = run("trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2")
    assert status == 0, err
    metrics = pd.read_csv(only_run(tmp_path) / "metrics.csv")
    assert metrics["test_loss"].isna().tolist() == [True, False, True, False]
    assert metrics["train_loss"].notna().all()


def test_a_sweep_that_is_never_evaluated_has_tables_and_figures(run, tmp_path, monkeypatch):
    from xairank.figures import __main__ as figures
    from xairank.tables import __main__ as tables

    status, _, err = run("trainer.max_epochs=1", "trainer.limit_val_batches=0")
    assert status == 0, err
    for main, arguments in ((tables.main, ["name=test"]), (figures.main, ["name=test", "formats=svg"])):
        monkeypatch.setattr(sys, "argv", ["", *arguments])
        main()
    assert (tmp_path / "multirun/test/figures/figure5_curves.svg").is_file()


def test_limits_that_end_training_before_an_epoch_are_named(run):
    status, _, err = run("trainer.limit_train_batches=0")
    assert status == 2
    assert err == (
        "xairank: error: trainer.limit_train_batches=0: no epoch was trained; remove what ends training before one is "
        "over\n"
    )
