"""What the scripts share: the images, the network, the command line and the line that reports.

The network is xairank's class in all of them, so that what differs is the loop.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from xairank.models import EncoderDecoder
from xairank.models.encoder import create_encoder

METHODS = ("gradcam", "saliency", "integrated_gradients")
STEPS = 25  # of integrated gradients
RESIZED, SIZE = 256, 224  # pixels: resized, then cropped in the centre
DECODER_CHANNELS, LEARNING_RATE, BETA = 16, 0.001, 1.0
BATCH_SIZE, WORKERS = 32, 4  # the paper's Table 1


def parse(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="CSV with the columns image, mask, label and split")
    parser.add_argument("--encoder", default="efficientnet_b0")
    parser.add_argument("--weights", type=Path, help="a file of the encoder's weights; random ones without it")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def read_table(path: Path) -> pd.DataFrame:
    """A row a sample; a good one has an empty mask. ``target`` is the number of its class."""
    table = pd.read_csv(path, keep_default_na=False)
    return table.assign(target=pd.Categorical(table["label"]).codes)


def create_network(encoder: str, n_classes: int, weights: Path | None = None) -> EncoderDecoder:
    """Images (B, 3, H, W) -> class logits (B, classes), mask logits (B, H, W); an encoder without a file is random."""
    return EncoderDecoder(create_encoder(encoder, pretrained=False, weights=weights), n_classes, DECODER_CHANNELS, SIZE)


def balanced_weights(table: pd.DataFrame) -> Tensor:
    """The weight of each class in the cross-entropy: n / (classes * count)."""
    counts = table["target"].value_counts().sort_index()
    return torch.tensor((len(table) / (len(counts) * counts)).to_numpy(), dtype=torch.float32)


def report(training: float, explaining: float, overlaps: pd.DataFrame) -> None:
    """One line of JSON: the seconds of both phases, the number of explained images, and mean overlaps.

    Args:
        training: Seconds of reading and training.
        explaining: Seconds of explaining and scoring.
        overlaps: A row an explained image, a column a method.
    """
    print(json.dumps({"training": training, "explaining": explaining, "explained": len(overlaps), **overlaps.mean()}))
