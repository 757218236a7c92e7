"""Mistakes of a user of the command: a line each, status 2, and nothing left behind."""

import pytest

from tests.training import only_run

MISTAKES = {
    "unknown key": (["model.betta=1"], "model.betta: no such key; did you mean model.beta?"),
    "unknown group": (
        ["data=imagenet"],
        "data=imagenet: no such option; expected folder or mvtec or synthetic",
    ),
    "impossible value": (["model.beta=-1"], "model.beta=-1 is not allowed: expected a number of at least 0"),
    "wrong type": (["model.beta=much"], "model.beta=much is not allowed: expected a number"),
    "fold": (["data.fold=9"], "data.fold=9 is not allowed: data.n_folds=5 folds are numbered from 0 to 4"),
    "encoder": (["model.encoder=efficientnet_b99"], "model.encoder=efficientnet_b99: not a model of timm"),
    "category": (["data.category=walnut"], "data.category=walnut: not in data.root=data, which holds nuts"),
    "data": (["data.root=nowhere"], "data.root=nowhere: no such folder; get MVTec AD with data.download=true"),
    "weights": (["model.encoder_weights=w.pth"], "model.encoder_weights=w.pth: no such file"),
    "accelerator": (["trainer.accelerator=mps"], "trainer.accelerator=mps: "),
    "method": (
        ["attribution.methods.integrated_gradients.rule=simpson"],
        "attribution.methods.integrated_gradients: rule=simpson is not allowed: expected gauss_legendre",
    ),
    "trainer's argument": (
        ["trainer.gradient_clip_value=1"],
        "trainer.gradient_clip_value: no such key; did you mean trainer.gradient_clip_val?",
    ),
    "trainer's value": (
        ["trainer.gradient_clip_val=much"],
        "trainer.gradient_clip_val=much is not allowed: expected",
    ),
    "trainer's share": (
        ["trainer.limit_train_batches=2.5"],
        "trainer.limit_train_batches=2.5: You have passed invalid",
    ),
    "trainer's own": (["trainer.callbacks=[]"], "trainer.callbacks: is set by xairank, not by you; remove it"),
    "trainer's logger": (["trainer.logger=true"], "choose a logger with logger=tensorboard, mlflow, wandb or aim"),
    "no device": (
        ["trainer.devices=0"],
        "trainer.devices=0 is not allowed: expected a number of devices of at least 1",
    ),
    "a device twice": (
        ["trainer.devices=[0,0]"],
        "trainer.devices=[0, 0] is not allowed: expected a number",
    ),
    "more devices than images": (
        ["trainer.devices=8"],
        "data.batch_size=8: 8 devices share every batch; expected at least 16, two images for each, or",
    ),
    "trainer's strategy": (["trainer.strategy=ddp"], "trainer.strategy: is set by xairank, not by you; remove it"),
    "metric": (
        ["+evaluation.metrics.mine._target_=xairank.evaluation.Nothing"],
        "evaluation.metrics.mine: Error loading 'xairank.evaluation.Nothing'",
    ),
    "metric's option": (["+evaluation.metrics.topk_iou.k=2"], "evaluation.metrics.topk_iou: "),
    "not a method": (
        ["attribution.methods.saliency._target_=builtins.dict"],
        "attribution.methods.saliency: builtins.dict cannot be called",
    ),
    "method's option": (
        ["+attribution.methods.saliency.power=2"],
        "attribution.methods.saliency: ",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_status_2_and_leaves_nothing(run, tmp_path, arguments, message):
    status, _, err = run(*arguments)
    lines = [line for line in err.splitlines() if line]
    assert status == 2
    assert len(lines) == 1, err
    assert lines[0].startswith("xairank: error: ")
    assert message in lines[0]
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (lambda c: (c / "ground_truth/crack/001_mask.png").unlink(), "its mask"),
        (lambda c: (c / "test/crack/001.png").write_bytes(b""), "001.png: is empty"),
    ],
)
def test_a_broken_data_set_is_one_line_and_leaves_nothing(run, tmp_path, breakage, message):
    breakage(tmp_path / "data" / "nuts")
    status, _, err = run()
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "multirun").exists()


def test_a_checkpoint_cut_in_half_is_named(run, tmp_path):
    run()
    folder = only_run(tmp_path)
    (folder / "run.json").unlink()
    checkpoint = folder / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    status, _, err = run()
    assert status == 2
    assert "last.ckpt: cannot be read" in err
    assert "delete it to train this run again" in err
