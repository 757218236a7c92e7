"""The multitask model: one encoder, a linear head for the class, a decoder for the defect mask."""

from xairank.models.encoder_decoder import EncoderDecoder
from xairank.models.multitask import MultitaskModule

__all__ = ["EncoderDecoder", "MultitaskModule"]
