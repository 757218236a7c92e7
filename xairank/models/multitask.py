"""How the model is trained: classification loss + beta * mask loss, Adam, balanced accuracy."""

from typing import Literal, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from xairank.models.encoder_decoder import EncoderDecoder


class ImagesMasksLabels(Protocol):
    """What a batch must have: images (B, 3, H, W) in [0, 1], masks (B, H, W) bool, labels (B,) int64."""

    @property
    def images(self) -> Tensor:
        """(B, 3, H, W)."""

    @property
    def masks(self) -> Tensor:
        """(B, H, W)."""

    @property
    def labels(self) -> Tensor:
        """(B,)."""


class MultitaskModule(pl.LightningModule):
    """Trains an :class:`EncoderDecoder` on class and mask at once (paper, Eq. 6).

    Logs ``train_`` and ``test_`` ``loss``, ``classification_loss``, ``mask_loss`` (means over images) and
    ``balanced_accuracy`` (mean recall over classes) each epoch.

    Args:
        model: The network.
        n_classes: Number of classes.
        beta: Weight of the mask loss.
        mask_loss: ``bce``, binary cross-entropy on mask logits (paper), or ``mse``, mean squared error of raw decoder
            outputs (released code).
        class_weights: Weight of each class in the cross-entropy, (classes,), or None for equal weights.
        lr: Adam's learning rate.
        seed: Of the dropout.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        model: EncoderDecoder,
        n_classes: int,
        *,
        beta: float,
        mask_loss: Literal["bce", "mse"],
        class_weights: Tensor | None,
        lr: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.beta = beta
        self.mask_loss = mask_loss
        self.lr = lr
        self.seed = seed
        self.register_buffer("class_weights", class_weights, persistent=False)
        accuracy = MetricCollection({"balanced_accuracy": MulticlassAccuracy(n_classes, average="macro")})
        self.train_accuracy = accuracy.clone(prefix="train_")
        self.test_accuracy = accuracy.clone(prefix="test_")

    def training_step(self, batch: ImagesMasksLabels) -> Tensor:
        """The total loss of a batch, with dropout by (seed, batch) alone, so that a resumed run continues exactly."""
        # Not at the epoch's start: Lightning leaves that hook out in the first epoch after resuming.
        batch_number = self.trainer.fit_loop.total_batch_idx
        device = [self.global_rank] if self.global_rank else []  # each of several drops out something else
        torch.manual_seed(int(np.random.SeedSequence([self.seed, batch_number, *device]).generate_state(1)[0]))
        return self._step(batch, "train", self.train_accuracy)

    def validation_step(self, batch: ImagesMasksLabels) -> None:
        """Logs losses and accuracy of a test batch."""
        self._step(batch, "test", self.test_accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on all parameters; nothing is frozen."""
        # One pass over the weights instead of ten. With float16's scaled gradients Lightning could not clip them.
        fused = self.device.type in ("cpu", "cuda") and self.trainer.precision != "16-mixed"
        return torch.optim.Adam(self.model.parameters(), lr=self.lr, fused=fused)

    def predict_masks(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> predicted masks (B, H, W) in [0, 1]."""
        with torch.no_grad():
            _, mask_logits = self.model(images)
        return mask_logits.clamp(0, 1) if self.mask_loss == "mse" else mask_logits.sigmoid()

    def _step(self, batch: ImagesMasksLabels, split: str, accuracy: MetricCollection) -> Tensor:
        logits, mask_logits = self.model(batch.images)
        classification_loss = functional.cross_entropy(logits, batch.labels, weight=self.class_weights)
        mask_loss = self._mask_loss(mask_logits, batch.masks.to(mask_logits.dtype))
        loss = classification_loss + self.beta * mask_loss
        accuracy.update(logits.detach(), batch.labels)
        losses = {"loss": loss, "classification_loss": classification_loss, "mask_loss": mask_loss}
        self.log_dict(
            {f"{split}_{name}": value.detach() for name, value in losses.items()},
            on_step=False,
            on_epoch=True,
            batch_size=len(batch.labels),
            sync_dist=True,  # over all images, also where several devices share them
        )
        self.log_dict(accuracy, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def _mask_loss(self, mask_logits: Tensor, masks: Tensor) -> Tensor:
        if self.mask_loss == "mse":
            return functional.mse_loss(mask_logits, masks)
        return functional.binary_cross_entropy_with_logits(mask_logits, masks)
