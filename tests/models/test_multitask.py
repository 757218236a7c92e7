from typing import NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import balanced_accuracy_score, log_loss
from torch import Tensor
from torch.utils.data import DataLoader

from xairank.models import EncoderDecoder, MultitaskModule
from xairank.models.encoder import create_encoder


class Batch(NamedTuple):
    images: Tensor
    masks: Tensor
    labels: Tensor


def batches(count=3, size=6):
    generator = torch.Generator().manual_seed(0)
    return [
        Batch(
            torch.rand(size, 3, 32, 32, generator=generator),
            torch.rand(size, 32, 32, generator=generator) < 0.2,
            torch.arange(size) % 3,
        )
        for _ in range(count)
    ]


def module(**changes):
    torch.manual_seed(0)
    model = EncoderDecoder(create_encoder("resnet10t", pretrained=False, weights=None), 3, 16, 32)
    options = {"beta": 0.5, "mask_loss": "bce", "class_weights": None, "lr": 1e-3, "seed": 0}
    return MultitaskModule(model, 3, **{**options, **changes})


def evaluated(module):
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    loader = DataLoader(batches(), batch_size=None)
    (metrics,) = trainer.validate(module, loader, verbose=False)
    return metrics


def outputs(module):
    module.eval()
    with torch.no_grad():
        logits, masks = zip(*(module.model(batch.images) for batch in batches()), strict=True)
    return torch.cat(logits).double(), torch.cat(masks).double()


def test_logged_metrics_equal_scikit_learns():
    network = module()
    metrics = evaluated(network)
    logits, mask_logits = outputs(network)
    labels = torch.cat([batch.labels for batch in batches()])
    masks = torch.cat([batch.masks for batch in batches()]).flatten().numpy()
    expected_mask_loss = log_loss(masks, mask_logits.flatten().sigmoid().numpy())
    expected_class_loss = log_loss(labels.numpy(), logits.softmax(1).numpy())
    assert metrics["test_classification_loss"] == pytest.approx(expected_class_loss, rel=1e-4)
    assert metrics["test_mask_loss"] == pytest.approx(expected_mask_loss, rel=1e-4)
    assert metrics["test_loss"] == pytest.approx(expected_class_loss + 0.5 * expected_mask_loss, rel=1e-4)
    assert metrics["test_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))


def test_class_weights_weigh_the_cross_entropy():
    weights = torch.tensor([0.2, 1.0, 3.0])
    network = module(class_weights=weights)
    metrics = evaluated(network)
    logits, _ = outputs(network)
    labels = torch.cat([batch.labels for batch in batches()]).numpy()
    expected = log_loss(labels, logits.softmax(1).numpy(), sample_weight=weights.numpy()[labels])
    assert metrics["test_classification_loss"] == pytest.approx(expected, rel=1e-4)


def test_mse_is_the_squared_error_of_raw_decoder_outputs():
    network = module(mask_loss="mse")
    metrics = evaluated(network)
    _, mask_outputs = outputs(network)
    masks = torch.cat([batch.masks for batch in batches()]).double()
    assert metrics["test_mask_loss"] == pytest.approx(float((mask_outputs - masks).square().mean()), rel=1e-4)


def test_predicted_masks_lie_in_0_to_1():
    for mask_loss in ("bce", "mse"):
        masks = module(mask_loss=mask_loss).eval().predict_masks(batches()[0].images)
        assert masks.shape == (6, 32, 32)
        assert masks.min() >= 0
        assert masks.max() <= 1


def test_training_changes_every_parameter():
    network = module(class_weights=torch.ones(3))
    before = {name: value.clone() for name, value in network.model.named_parameters()}
    trainer = pl.Trainer(
        max_steps=3,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(network, DataLoader(batches(3), batch_size=None))
    unchanged = [name for name, value in network.model.named_parameters() if torch.equal(before[name], value)]
    assert unchanged == []


def test_with_beta_0_the_decoder_does_not_learn():
    network = module(beta=0.0)
    loss = network._step(batches(1)[0], "train", network.train_accuracy)
    loss.backward()
    assert all(parameter.grad.abs().max() == 0 for parameter in network.model.decoder.parameters())
    assert any(parameter.grad.abs().max() > 0 for parameter in network.model.encoder.parameters())
