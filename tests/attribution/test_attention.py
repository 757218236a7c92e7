"""How attention is read: against a network that computes it by hand, and what is left behind."""

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models import VisionTransformer as TorchvisionTransformer

from tests.attribution.networks import network as convolutional
from tests.attribution.networks import relative_error
from xairank import adapt
from xairank.attribution import AttentionRollout
from xairank.attribution.attention import attend, attention_layers, attention_obstacle, recorded_weights, token_maps
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import explaining
from xairank.attribution.score import logit


def transformer(**options):
    """A tiny vision transformer whose weights make attention far from uniform; 16 tokens and a class token."""
    torch.manual_seed(0)
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 5}
    return _sharpened(VisionTransformer(**{**size, **options}))


def torchvision_transformer():
    torch.manual_seed(0)
    return _sharpened(
        TorchvisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=24, mlp_dim=48, num_classes=5
        )
    )


def _sharpened(model):
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)
    return model.double().eval()


def samples(count=3):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, 32, 32, generator=generator, dtype=torch.float64)
    return images, torch.randint(0, 5, (count,), generator=generator)


def by_hand(model, images, targets):
    """Weights and gradients of each block of a timm transformer, from its parameters alone, and the logits."""
    tokens, found = model.norm_pre(model._pos_embed(model.patch_embed(images))), []
    for block in model.blocks:
        layer, inputs = block.attn, block.norm1(tokens)
        heads = layer.qkv(inputs).view(len(images), -1, 3, layer.num_heads, layer.head_dim).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(heads[0] @ heads[1].transpose(2, 3) / layer.head_dim**0.5, dim=3)
        found.append(weights.requires_grad_())
        tokens = tokens + layer.proj((weights @ heads[2]).transpose(1, 2).flatten(2))
        tokens = tokens + block.mlp(block.norm2(tokens))
    logits = model.forward_head(model.norm(tokens))
    gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), found)
    return [weights.detach() for weights in found], gradients, logits.detach()


def attended(model, images, targets):
    with explaining(model):
        return attend(ForwardPass(model, images, targets, 8), logit)


@pytest.mark.parametrize("adapted", [None, "traced", "hooked"])
@pytest.mark.parametrize("pool", ["token", "avg"])
def test_weights_and_gradients_are_those_computed_by_hand(pool, adapted):
    model, (images, targets) = transformer(global_pool=pool), samples()
    weights, gradients, logits = by_hand(model, images, targets)
    torch.testing.assert_close(model(images), logits)
    if adapted == "hooked":
        model.forward_features = untraceable(model.forward_features)
    shown = adapt(model, image_size=32) if adapted else model
    assert adapted is None or type(shown.cut).__name__.lower() == adapted
    found = attended(shown, images, targets)
    assert len(found) == 2
    for layer, expected, gradient in zip(found, weights, gradients, strict=True):
        torch.testing.assert_close(layer.weights, expected)
        torch.testing.assert_close(layer.gradients, gradient)


def untraceable(function):
    def forward(images, **options):
        if float(images.detach().sum()) > 1e9:
            raise RuntimeError
        return function(images, **options)

    return forward


@pytest.mark.parametrize("adapted", [False, True])
def test_torch_s_own_layer_is_read_too(adapted):
    model, (images, targets) = torchvision_transformer(), samples()
    layer = model.encoder.layers[0].self_attention
    inputs = []
    handle = layer.register_forward_pre_hook(lambda module, given: inputs.append(given[0].detach()))
    logits = model(images)
    handle.remove()
    _, expected = layer(inputs[0], inputs[0], inputs[0], average_attn_weights=False)
    with recorded_weights(attention_layers(model)) as calls:
        torch.testing.assert_close(model(images), logits)
    torch.testing.assert_close(calls[0][1], expected)
    found = attended(adapt(model, image_size=32), images, targets)
    torch.testing.assert_close(found[0].weights, expected.detach())
    assert all((one.gradients.abs().amax(dim=(1, 2, 3)) > 0).all() for one in found)
    assert not layer._forward_hooks


def test_nothing_is_left_behind_also_after_an_error():
    model, (images, targets) = transformer(), samples()
    for layer, fused in zip(attention_layers(model), (True, False), strict=True):
        layer.fused_attn = fused

    def state():
        return [(one.fused_attn, len(one.attn_drop._forward_hooks)) for one in attention_layers(model)]

    before = state()
    AttentionRollout()(model, images, targets)
    assert state() == before
    model.blocks[1].mlp = nn.Linear(3, 3).double()
    with pytest.raises(RuntimeError), recorded_weights(attention_layers(model)):
        model(images)
    assert state() == before
    assert all(one.grad is None for one in model.parameters())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "and the network has none"),
        ("swin_tiny_patch4_window7_224", "which WindowAttention of the network are not, or are not read"),
        ("mobilevit_xxs", "and the network attends over maps of several sizes"),
    ],
)
def test_networks_without_attention_over_the_whole_image_are_told_apart(name, message):
    model = convolutional(name) if name == "resnet18" else timm.create_model(name)
    assert attention_obstacle(model).endswith(message)
    assert attention_obstacle(transformer()) == ""
    assert attention_obstacle(torchvision_transformer()) == ""


@pytest.mark.parametrize(
    ("n_tokens", "size", "coarse"), [(17, (64, 64), (4, 4)), (8, (32, 64), (2, 4)), (14, (48, 64), (3, 4))]
)
def test_the_tokens_behind_the_prefix_are_the_image_s_positions(n_tokens, size, coarse):
    relevance = torch.rand(2, n_tokens)
    maps, small = token_maps(relevance, torch.zeros(2, 3, *size))
    n_positions = coarse[0] * coarse[1]
    assert maps.shape == (2, *size)
    torch.testing.assert_close(small.flatten(1), relevance[:, n_tokens - n_positions :])
    expected = nn.functional.interpolate(small[:, None], size, mode="bilinear")[:, 0]
    assert relative_error(maps, expected) < 1e-6


def test_tokens_that_are_no_grid_are_named():
    with pytest.raises(ValueError, match="the network's 35 tokens are no grid over an image of 64 x 64 pixels"):
        token_maps(torch.rand(1, 35), torch.zeros(1, 3, 64, 64))
