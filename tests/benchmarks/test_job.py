import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.utils.data import TensorDataset

from benchmarks.job import expert, released, task
from benchmarks.job.__main__ import CATEGORY, DEFECTS, ONLY_THE_SAME, overrides, parse, prepare
from xairank.data.datamodule import DefectDataModule
from xairank.data.index import Source
from xairank.data.synthetic import SyntheticCategory
from xairank.evaluation import topk_overlap
from xairank.models import MultitaskModule

ROOT = Path(__file__).parents[2]


def test_the_scripts_have_the_options_of_the_configuration():
    names = ("data/mvtec.yaml", "model/multitask.yaml", "attribution/gradients.yaml")
    data, model, gradients = (OmegaConf.load(ROOT / "conf" / name) for name in names)
    assert (data.image_size, data.batch_size, data.num_workers) == (task.SIZE, task.BATCH_SIZE, task.WORKERS)
    assert (model.decoder_channels, model.lr, model.beta) == (task.DECODER_CHANNELS, task.LEARNING_RATE, task.BETA)
    assert tuple(gradients.methods) == task.METHODS
    assert gradients.methods.integrated_gradients.n_steps == task.STEPS


def test_xairank_does_only_what_the_scripts_do():
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        config = compose("train", overrides=list(ONLY_THE_SAME))
    assert not config.attribution.controls
    assert not config.evaluation.measures
    assert list(config.evaluation.metrics) == ["topk_overlap"]


def test_xairank_trains_as_the_scripts_are_told_to(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench-job", "--epochs", "3", "--good", "7", "--encoder", "resnet18"])
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        config = compose("train", overrides=overrides(parse()))
    assert config.trainer.max_epochs == 3
    assert config.data.synthetic.good == 7
    assert config.model.encoder == "resnet18"
    assert config.model.class_weights == "balanced"


def test_all_have_the_same_loss():
    torch.manual_seed(0)
    model = task.create_network("resnet10t", 3).eval()
    images, masks = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8), torch.rand(2, 224, 224) < 0.1
    labels, weights = torch.tensor([2, 0]), torch.tensor([0.5, 1.0, 2.0])
    module = MultitaskModule(
        model, 3, beta=task.BETA, mask_loss="bce", class_weights=weights, lr=task.LEARNING_RATE, seed=0
    )
    batch = SimpleNamespace(images=images.float() / 255, masks=masks, labels=labels)
    module.log_dict = lambda *args, **options: None
    expected = module._step(batch, "test", module.test_accuracy).item()
    assert expert.loss_of(model, images, masks, labels, weights).item() == pytest.approx(expected, rel=1e-5)
    loss, _ = released.loss_of(model, images.float() / 255, masks.float(), labels, weights)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_experts_masks_are_mirrored_with_the_images():
    torch.manual_seed(0)
    masks = torch.rand(16, 8, 8) < 0.3
    images, mirrored = expert.flipped(masks[:, None].expand(-1, 3, -1, -1).byte().clone(), masks.clone())
    assert images[:, 0].bool().equal(mirrored)
    assert not mirrored.equal(masks)


def test_the_expert_explains_the_defects_that_are_classified_correctly():
    torch.manual_seed(0)
    model = task.create_network("resnet10t", 3).eval()
    images = torch.randint(0, 256, (6, 3, 224, 224), dtype=torch.uint8)
    masks = torch.zeros(6, 224, 224, dtype=torch.bool)
    masks[:4, 50:60, 50:60] = True
    with torch.no_grad():
        predicted = model(expert.as_floats(images))[0].argmax(dim=1)
    targets = torch.cat(
        [predicted[:3], (predicted[3:] + 1) % 3]
    )  # one defect, and both good ones, are classified wrongly
    found = expert.explain(model, [TensorDataset(images, masks, targets)])
    assert len(found) == 3


def test_all_read_the_same_images_masks_and_split(tmp_path):
    prepare(tmp_path, SyntheticCategory(5, dict.fromkeys(DEFECTS, 5)))
    data = DefectDataModule(Source(CATEGORY, root=tmp_path / "data"), 224, "center", None, 32, 0, 0, 0, 5, False, 0)
    data.setup()
    table = task.read_table(tmp_path / "samples.csv")
    assert list(table["split"]) == list(data.table["split"])
    assert list(table["target"]) == data.samples.labels.tolist()
    images, masks, targets = expert.read(table).tensors
    assert images.permute(0, 2, 3, 1).equal(data.samples.images)
    assert masks.equal(data.samples.masks)
    assert targets.tolist() == list(table["target"])
    files = released.Files(table, flip=False)
    for row in (0, 24):
        image, mask, target = files[row]
        assert (image * 255).round().byte().equal(images[row])
        assert mask.bool().equal(masks[row])
        assert target == targets[row]


def test_class_weights_are_balanced():
    assert task.balanced_weights(pd.DataFrame({"target": [0, 0, 0, 1]})).tolist() == pytest.approx([4 / 6, 2])


def test_both_scripts_make_the_same_maps():
    torch.manual_seed(0)
    model = task.create_network("resnet10t", 3).eval()
    images, targets = torch.rand(2, 3, 64, 64), torch.tensor([2, 0])
    found = expert.explain_batch(expert.Classifier(model).eval(), images.clone(), targets)
    tools = (released.gradcam, released.saliency, released.integrated_gradients)
    for row in range(2):
        for method, tool in enumerate(tools):
            expected = tool(model, images[row : row + 1], int(targets[row]))[0].detach()
            torch.testing.assert_close(found[row, method], expected, rtol=1e-3, atol=1e-3 * float(expected.max()))


def test_all_score_alike():
    generator = np.random.default_rng(0)
    maps = torch.from_numpy(generator.random((2, 3, 12, 12), np.float32))
    masks = torch.from_numpy(generator.random((2, 12, 12)) < 0.2)
    expected = [topk_overlap(maps[:, method], masks).tolist() for method in range(3)]
    assert np.transpose(expert.score(maps, masks)) == pytest.approx(np.array(expected))
    pairs = zip(maps.numpy(), masks.numpy(), strict=True)
    by_loops = [[released.topk_overlap(found, mask) for found in some] for some, mask in pairs]
    assert np.transpose(by_loops) == pytest.approx(np.array(expected))


@pytest.mark.slow
def test_every_contender_does_the_whole_job(tmp_path):
    few = ("--good", "10", "--defects", "5", "--epochs", "1", "--rounds", "1", "--size", "64")
    command = [sys.executable, "-m", "benchmarks.job", *few, "--encoder", "mobilenetv3_small_050", "--out", tmp_path]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = pd.read_csv(tmp_path / "job.csv")
    assert list(found["contender"]) == ["xairank", "xairank, as it comes", "expert", "as released"]
    assert (found["whole"] > found["training"] + found["explaining"]).all()
    assert (found["explained"] > 0).all()
