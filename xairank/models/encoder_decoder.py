"""One encoder, two outputs: the class from its pooled features, the defect mask from its feature map."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from xairank.errors import UserError
from xairank.models.adapt import AdaptedModel, adapt, stage_names
from xairank.models.feature_layer import FeatureLayer, as_feature_layer
from xairank.models.layers import check_layer
from xairank.models.normalize import Normalize

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class LinearHead(nn.Module):
    """Average pooling over the feature map, dropout, one linear layer: features (B, C, h, w) -> logits (B, classes)."""

    def __init__(self, channels: int, n_classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits, not probabilities."""
        return self.linear(self.dropout(features.mean(dim=(2, 3))))


class Classifier(nn.Module):
    """The part of the multitask model that classifies: images (B, 3, H, W) in [0, 1] -> logits (B, classes)."""

    def __init__(self, normalize: nn.Module, encoder: nn.Module, layout: FeatureLayer, head: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.encoder = encoder
        self.layout = layout
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Logits, not probabilities."""
        features: Tensor = self.encoder.forward_features(self.normalize(images))  # type: ignore[operator]
        logits: Tensor = self.head(self.layout.to_map(features))
        return logits


class FewChannelsConv2d(nn.Conv2d):
    """A convolution whose output lies in memory channel by channel, as does its input.

    On a CPU, PyTorch computes one of few channels up to five times faster channels-last, copies included; what is
    around it in the decoder is faster channel by channel, batch norm by far.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, c, y, x) -> (B, C, y, x)."""
        if inputs.device.type != "cpu":
            return super().forward(inputs)
        return super().forward(inputs.contiguous(memory_format=torch.channels_last)).contiguous()


class Decoder(nn.Sequential):
    """Feature map (B, C, h, w) -> mask logits (B, 1, h * 2**stages, w * 2**stages).

    Each stage doubles the resolution: ConvTranspose2d(4, 2, 1) - BatchNorm - ReLU - Conv2d(3) - BatchNorm - ReLU. For
    five stages and a base of b channels the widths are those of the released code: b, max(b/2, 32), max(b/4, 16),
    max(b/8, 8), max(b/16, 4).
    """

    def __init__(self, channels: int, base: int, stages: int) -> None:
        widths = [base] + [max(base >> stage, 64 >> stage, 4) for stage in range(1, stages)]
        layers: list[nn.Module] = []
        for width in widths:
            layers += [
                nn.ConvTranspose2d(channels, width, kernel_size=4, stride=2, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                FewChannelsConv2d(width, width, kernel_size=3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        super().__init__(*layers, FewChannelsConv2d(channels, 1, kernel_size=3, padding=1))


class EncoderDecoder(nn.Module):
    """The paper's multitask model (section 3.2), for any timm encoder whose features are a map.

    Speaks timm's protocol, ``forward_features`` and ``forward_head``, so that attribution never runs the decoder. Of an
    encoder that gives tokens, those of the image are the map, for head and decoder alike; class, distillation and
    register tokens take no part behind the encoder.

    Args:
        encoder: A network whose ``forward_features(images)`` gives a map, (B, C, h, w) or (B, h, w, C), or tokens
            (B, prefix + h * w, C).
        n_classes: Classes of the head.
        decoder_channels: Base number of decoder channels.
        image_size: Height and width of the input, in pixels; the decoder's number of stages follows from it.
        normalize: Whether the first layer applies the encoder's (else ImageNet's) mean and standard deviation.

    Attributes:
        layout: How the encoder's features are a map.
        fixed_size: Height and width of the only images it takes, in pixels; None where any will do.

    Raises:
        UserError: The encoder gives no spatial feature map.
    """

    def __init__(
        self, encoder: nn.Module, n_classes: int, decoder_channels: int, image_size: int, *, normalize: bool = True
    ) -> None:
        super().__init__()
        statistics = getattr(encoder, "pretrained_cfg", {})
        mean, std = statistics.get("mean", IMAGENET_MEAN), statistics.get("std", IMAGENET_STD)
        self.normalize = Normalize(mean, std) if normalize else nn.Identity()
        self.encoder = encoder
        self.image_size = image_size
        self.layout = _feature_map(encoder, image_size)
        fixed = self.layout.layout == "tokens" or statistics.get("fixed_input_size", False)
        self.fixed_size = image_size if fixed else None
        channels, _, width = self.layout.shape
        stages = max(0, round(torch.log2(torch.tensor(image_size / width)).item()))
        self.head = LinearHead(channels, n_classes)
        self.decoder = Decoder(channels, decoder_channels, stages)
        # Channels-last is the faster layout for the encoder; for batch norm of the decoder's few channels the slower.
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward_features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] -> the encoder's last feature map (B, C, h, w)."""
        features: Tensor = self.encoder.forward_features(self.normalize(images))  # type: ignore[operator]
        return self.layout.to_map(features)

    def forward_head(self, features: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> logits (B, classes)."""
        logits: Tensor = self.head(features)
        return logits

    def decode(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Feature map (B, C, h, w) -> mask logits (B, H, W) for ``size`` = (H, W) of the images."""
        logits: Tensor = self.decoder(features.contiguous())
        if logits.shape[-2:] != size:  # encoders whose feature map is not the input's size over a power of two
            logits = functional.interpolate(logits, size=size, mode="nearest-exact")
        return logits.squeeze(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) in [0, 1] -> class logits (B, classes), mask logits (B, H, W)."""
        features = self.forward_features(images)
        return self.forward_head(features), self.decode(features, (images.shape[-2], images.shape[-1]))

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the encoder's layers that end a stage, see :func:`xairank.models.stages.find_stages`.

        The last one gives the feature map of this model.
        """
        return stage_names(self._classifier(), self.image_size)

    def at_layer(self, layer: str | int) -> AdaptedModel:
        """The same classifier, cut at another layer, without the decoder; its weights are this model's.

        Args:
            layer: Name of a module, of this model or as the encoder names it: ``blocks.3``; or the number of a stage: 0
                is the first one, -1 the last.

        Raises:
            UserError: There is no such layer, or it gives no feature map.
        """
        classifier = self._classifier()
        if isinstance(layer, str) and layer not in dict(classifier.named_modules()):
            check_layer(self.encoder, layer)
            layer = f"encoder.{layer}"
        return adapt(classifier, layer, image_size=self.image_size)

    def _classifier(self) -> Classifier:
        classifier = Classifier(self.normalize, self.encoder, self.layout, self.head)
        classifier.training = self.training  # of this module alone: the others have theirs
        return classifier


def _feature_map(encoder: nn.Module, image_size: int) -> FeatureLayer:
    """How the encoder's features are a map, found by one pass."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            features = encoder.forward_features(torch.zeros(1, 3, image_size, image_size))  # type: ignore[operator]
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(
            f"data.image_size={image_size}: the encoder cannot take it ({reason}); choose another size or model.encoder"
        ) from None
    finally:
        encoder.train(training)
    channels = getattr(encoder, "num_features", None)
    layer = None
    if isinstance(features, Tensor):
        if features.ndim == 4 and features.shape[1] == channels:  # also a map of one position
            _, *shape = features.shape
            return FeatureLayer("encoder", "channels first", (shape[0], shape[1], shape[2]))
        n_prefix = getattr(encoder, "num_prefix_tokens", None)
        layer = as_feature_layer("encoder", features, (image_size, image_size), n_prefix)
    if layer is None or layer.shape[0] != channels:
        found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise UserError(
            f"model.encoder: {type(encoder).__name__} gives features {found}, expected a map (1, {channels}, h, w), or "
            "its positions as tokens; choose another encoder, such as efficientnet_b0, convnext_tiny or "
            "vit_small_patch16_224"
        )
    return layer
