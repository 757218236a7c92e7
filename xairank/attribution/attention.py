"""The attention of transformers: which layers have it, its weights during a pass, and its map over the image."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, cast

import torch
from timm.layers.attention import Attention, AttentionRope
from torch import Tensor, nn

from xairank.attribution.cam import upsample
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model, as_parts
from xairank.attribution.score import Score

MOST_PREFIX_TOKENS = 8  # class, distillation and register tokens
_KINDS = (Attention, AttentionRope, nn.MultiheadAttention)


class LayerAttention(NamedTuple):
    """What one layer attends to, for B images of N tokens.

    Attributes:
        weights: From each token (rows) to each (columns), (B, heads, N, N); rows sum to one.
        gradients: Of the score with respect to the weights, (B, heads, N, N).
    """

    weights: Tensor
    gradients: Tensor


def attention_obstacle(model: Model) -> str:
    """Why attention cannot be followed through a model, in words that follow "it"; empty where it can."""
    wanted = "needs layers in which every position of the image attends to every other"
    network = cast(nn.Module, getattr(model, "plain", model))
    layers = attention_layers(network)
    others = {type(part).__name__ for part in network.modules() if _is_other_attention(part)}
    if others:
        return f"{wanted}, which {' and '.join(sorted(others))} of the network are not, or are not read"
    if not layers:
        return f"{wanted}, and the network has none"
    if len({_width(layer) for layer in layers}) > 1:
        return f"{wanted}, and the network attends over maps of several sizes"
    return ""


def attention_layers(network: nn.Module) -> list[nn.Module]:
    """The attention layers whose weights can be read, in the order in which they were made."""
    return [part for part in network.modules() if isinstance(part, _KINDS)]


def attend(forward: ForwardPass, score: Score) -> list[LayerAttention]:
    """What each layer attends to for the images of a forward pass, and the gradients of a score.

    The network runs once more, forward and backward, as it was written.

    Raises:
        ValueError: Attention cannot be followed through the network, or its layers attend over different numbers of
            tokens.
    """
    network = forward.network
    if reason := attention_obstacle(network):
        raise ValueError(f"attention: {type(network).__name__} cannot be explained: the method {reason}")
    layers = attention_layers(cast(nn.Module, network))
    with recorded_weights(layers) as calls:
        images = forward.images.detach().requires_grad_()  # without which no graph would be kept
        parts = as_parts(network.forward_features(images.clone()))
        logits = network.forward_head(*parts)
    forward.passes += 2 * len(images)
    found = torch.autograd.grad(score(logits, forward.targets).sum(), [one for _, one in calls], allow_unused=True)
    # A network that is cut by hooks runs twice: each layer has the same weights, and the gradients add up.
    attended: dict[int, LayerAttention] = {}
    for (layer, weights), gradient in zip(calls, found, strict=True):
        gradient = torch.zeros_like(weights) if gradient is None else gradient
        before = attended.get(layer)
        attended[layer] = LayerAttention(weights.detach(), gradient if before is None else before.gradients + gradient)
    sizes = {tuple(one.weights.shape[2:]) for one in attended.values()}
    if len(sizes) != 1 or any(len(one.weights) != len(images) for one in attended.values()):
        raise ValueError(f"attention: found {sorted(sizes)} tokens, expected the same in all layers of the network")
    return list(attended.values())


@contextmanager
def recorded_weights(layers: list[nn.Module]) -> Iterator[list[tuple[int, Tensor]]]:
    """The weights of attention layers in a block, with the layer's number, as they come; afterwards all is as before.

    timm computes them where its fused kernel is switched off. torch's layer hides them, so they are computed beside it,
    and what it gives is replaced by what follows from them, which is the same.
    """
    calls: list[tuple[int, Tensor]] = []
    with ExitStack() as stack:
        for number, layer in enumerate(layers):
            if isinstance(layer, nn.MultiheadAttention):
                handle = layer.register_forward_hook(_of_torch(calls, number), with_kwargs=True)
            else:
                stack.callback(setattr, layer, "fused_attn", layer.fused_attn)
                layer.fused_attn = False  # type: ignore[assignment]
                handle = cast(nn.Module, layer.attn_drop).register_forward_hook(_of_timm(calls, number))
            stack.callback(handle.remove)
        yield calls


def last_rows(attention: list[LayerAttention]) -> Tensor:
    """Which tokens the head reads, as shares, (B, N): those whose rows of the last layer have a gradient.

    With a class token that one alone, with average pooling the tokens of the image.
    """
    gradients = attention[-1].gradients
    read = (gradients.abs().sum(dim=(1, 3)) > 0).to(gradients)
    return read / read.sum(dim=1, keepdim=True).clamp(min=1)


def token_maps(relevance: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Relevance of the tokens, (B, N) -> maps (B, H, W) and what they were upsampled from, (B, h, w).

    The prefix tokens are dropped; the others are the image's positions, row by row.

    Raises:
        ValueError: The tokens are no grid of the image's aspect.
    """
    height, width = images.shape[2:]
    n_tokens = relevance.shape[1]
    for n_prefix in range(MOST_PREFIX_TOKENS + 1):
        rows = round(((n_tokens - n_prefix) * height / width) ** 0.5) if n_tokens > n_prefix else 0
        columns = round(rows * width / height)
        if rows and rows * columns == n_tokens - n_prefix:
            coarse = relevance[:, n_prefix:].unflatten(1, (rows, columns))
            return upsample(coarse, images), coarse
    raise ValueError(
        f"attention: the network's {n_tokens} tokens are no grid over an image of {height} x {width} pixels; choose "
        "another method"
    )


def _is_other_attention(part: nn.Module) -> bool:
    if isinstance(part, _KINDS) or "Attention" not in type(part).__name__:
        return False
    return not any(isinstance(inner, _KINDS) for inner in part.modules())


def _width(layer: nn.Module) -> int:
    if isinstance(layer, nn.MultiheadAttention):
        return layer.embed_dim
    return cast(nn.Linear, layer.proj).in_features  # attn_dim, which older versions of timm do not have


def _of_timm(calls: list[tuple[int, Tensor]], number: int) -> Any:  # noqa: ANN401 - torch's type of a hook
    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        calls.append((number, output))

    return hook


def _of_torch(calls: list[tuple[int, Tensor]], number: int) -> Any:  # noqa: ANN401
    def hook(
        layer: nn.MultiheadAttention, inputs: tuple[Tensor, ...], options: dict[str, Any], output: tuple[Tensor, Any]
    ) -> tuple[Tensor, Any]:
        masks = [options.get(name) for name in ("attn_mask", "key_padding_mask")]
        if (
            len(inputs) < 3
            or any(one is not inputs[0] for one in inputs[1:3])
            or any(mask is not None for mask in masks)
        ):
            raise ValueError("attention: the network attends from one set of tokens to another, expected one set alone")
        tokens = inputs[0] if layer.batch_first else inputs[0].transpose(0, 1)
        projected = nn.functional.linear(tokens, layer.in_proj_weight, layer.in_proj_bias)
        queries, keys, values = projected.unflatten(2, (3, layer.num_heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (queries @ keys.transpose(2, 3) * layer.head_dim**-0.5).softmax(dim=-1)
        calls.append((number, weights))
        result = layer.out_proj((weights @ values).transpose(1, 2).flatten(2))
        return (result if layer.batch_first else result.transpose(0, 1)), output[1]

    return hook
