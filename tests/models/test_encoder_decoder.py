import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import nn

from xairank.attribution import AttentionRollout, GradCAM, GradientAttentionRollout, explain, freeze
from xairank.errors import UserError
from xairank.models import EncoderDecoder
from xairank.models.encoder import create_encoder
from xairank.models.encoder_decoder import FewChannelsConv2d


def model(name="resnet18", size=64, **options):
    torch.manual_seed(0)
    encoder = create_encoder(name, pretrained=False, weights=None, image_size=size)
    return EncoderDecoder(encoder, 5, 16, size, **options).eval()


# Strides 32, 16 (patch convolution) and 8, widths 512 to 1280.
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenetv3_small_050", "convnext_atto", "vgg11"])
@pytest.mark.parametrize("size", [64, 80])
def test_any_encoder_and_size_gives_a_mask_of_the_images_size(name, size):
    network = model(name, size)
    with torch.no_grad():
        logits, masks = network(torch.rand(2, 3, size, size))
    assert logits.shape == (2, 5)
    assert masks.shape == (2, size, size)


def test_the_decoders_widths_are_the_released_codes():
    convolutions = [layer for layer in model().decoder if isinstance(layer, torch.nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 32, 16, 8, 4]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in convolutions} == {((4, 4), (2, 2), (1, 1))}


@pytest.mark.parametrize(("base", "widths"), [(64, [64, 32, 16, 8, 4]), (256, [256, 128, 64, 32, 16])])
def test_the_base_number_of_channels_sets_the_widths(base, widths):
    encoder = create_encoder("resnet18", pretrained=False, weights=None)
    decoder = EncoderDecoder(encoder, 5, base, 64).decoder
    assert [layer.out_channels for layer in decoder if isinstance(layer, torch.nn.ConvTranspose2d)] == widths


def test_the_head_is_average_pooling_and_one_linear_layer():
    network = model()
    features = torch.rand(3, 512, 2, 2)
    expected = features.mean((2, 3)) @ network.head.linear.weight.T + network.head.linear.bias
    torch.testing.assert_close(network.forward_head(features), expected)


def test_normalisation_is_the_first_layer():
    network, images = model(), torch.rand(2, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = network.encoder.forward_features((images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
    torch.testing.assert_close(network.forward_features(images), expected)
    plain = model(normalize=False)
    torch.testing.assert_close(plain.forward_features(images), plain.encoder.forward_features(images))


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_at_each_stage_it_is_the_same_classifier_and_at_the_last_it_has_the_same_map(name):
    network, images = model(name), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected, features = network(images)[0], network.forward_features(images)
        shapes = []
        for layer in network.stages:
            there = network.at_layer(layer)
            shapes.append(there.feature_shape[1:])
            torch.testing.assert_close(there(images), expected)
            assert not there.training
        assert shapes == sorted(set(shapes), reverse=True)
        found = network.at_layer(-1).forward_features(images)
        torch.testing.assert_close(found[0] if isinstance(found, tuple) else found, features)


def test_a_layer_is_named_as_the_encoder_names_it_or_as_the_model_does():
    network = model("efficientnet_b0")
    stages = ("encoder.blocks.0", "encoder.blocks.1", "encoder.blocks.2", "encoder.blocks.4", "encoder.bn2")
    assert network.stages == stages
    for layer in ("blocks.3", "encoder.blocks.3"):
        there = network.at_layer(layer)
        assert (there.layer, there.feature_shape) == ("encoder.blocks.3", (80, 4, 4))
        weights = {id(parameter) for parameter in there.parameters()}
        assert weights == {id(parameter) for part in (network.encoder, network.head) for parameter in part.parameters()}


@pytest.mark.parametrize("layer", ["blocks.9", "encoder.blocks.9", "decoder.0"])
def test_a_layer_that_does_not_exist_is_named_with_the_nearest(layer):
    with pytest.raises(UserError, match=f"layer={layer}: EfficientNet has no such layer; did you mean blocks"):
        model("efficientnet_b0").at_layer(layer)


def test_weights_are_channels_last():
    assert model().encoder.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_encoders_without_a_feature_map_are_named():
    with pytest.raises(UserError, match=r"gives features \(1, 1, 256\), expected a map .*choose another encoder"):
        model("pit_ti_224", size=64)


# A class token, a class and a distillation token, channels last, a convolutional stem, channels first.
TRANSFORMERS = {
    "vit_tiny_patch16_224": ("tokens", (192, 4, 4), 1),
    "deit_tiny_distilled_patch16_224": ("tokens", (192, 4, 4), 2),
    "swin_tiny_patch4_window7_224": ("channels last", (768, 2, 2), 0),
    "vit_tiny_r_s16_p8_224": ("tokens", (192, 2, 2), 1),
    "coatnet_pico_rw_224": ("channels first", (512, 2, 2), 0),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_of_another_size_give_map_mask_and_explanations(name):
    network, images = model(name), torch.rand(2, 3, 64, 64)
    layout, shape, n_prefix = TRANSFORMERS[name]
    assert (network.layout.layout, network.layout.shape, network.layout.n_prefix) == (layout, shape, n_prefix)
    assert network.fixed_size == 64
    with torch.no_grad():
        logits, masks = network(images)
        features = network.forward_features(images)
        plain = network.encoder.forward_features(network.normalize(images))
    assert masks.shape == (2, 64, 64)
    assert features.shape == (2, *shape)
    if layout == "tokens":
        pooled = plain[:, n_prefix:].mean(dim=1)
        torch.testing.assert_close(features[0, :, 1, 0], plain[0, n_prefix + shape[2]])
    else:
        pooled = plain.mean(dim=(1, 2) if layout == "channels last" else (2, 3))
    torch.testing.assert_close(logits, network.head.linear(pooled))
    methods = {"gradcam": GradCAM(), "rollout": AttentionRollout(), "gradients": GradientAttentionRollout()}
    methods = {key: method for key, method in methods.items() if not method.obstacle(network)}
    assert len(methods) == (3 if layout == "tokens" else 1)
    targets = logits.argmax(dim=1)
    frozen = explain(methods, freeze(network, images), images, targets)
    for key, (maps, diagnostics) in explain(methods, network, images, targets).items():
        assert diagnostics["class_activation"].shape == (2, *shape[1:])
        torch.testing.assert_close(frozen[key][0], maps, rtol=1e-3, atol=1e-5)
        assert (maps.amax(dim=(1, 2)) > 0).any()


def test_a_size_that_an_encoder_cannot_be_made_for_is_named():
    with pytest.raises(UserError, match=r"data\.image_size=8: timm cannot make model\.encoder=nest_tiny_jx .*=224, or"):
        create_encoder("nest_tiny_jx", pretrained=False, weights=None, image_size=8)
    with pytest.raises(UserError, match=r"data\.image_size=48: the encoder cannot take it"):
        model("coatnet_pico_rw_224", size=48)


@pytest.mark.parametrize("saved_at", [224, 64])
def test_position_embeddings_of_local_weights_are_interpolated_to_the_image_size(tmp_path, saved_at):
    options = {"img_size": saved_at, "num_classes": 7}
    source = timm.create_model("vit_tiny_patch16_224", pretrained=False, **options)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    encoder = create_encoder("vit_tiny_patch16_224", pretrained=True, weights=tmp_path / "weights.pth", image_size=64)
    torch.testing.assert_close(encoder.blocks[3].attn.qkv.weight, source.blocks[3].attn.qkv.weight)
    positions = source.pos_embed.detach()
    if saved_at == 224:
        positions = resample_abs_pos_embed(positions, [4, 4], [14, 14])
    torch.testing.assert_close(encoder.pos_embed.detach(), positions)


def test_unknown_encoders_are_named_with_the_nearest():
    with pytest.raises(UserError, match=r"model\.encoder=resnet81: not a model of timm .*did you mean .*resnet"):
        create_encoder("resnet81", pretrained=False, weights=None)


def test_local_weights_are_loaded_without_their_classifier(tmp_path):
    source = timm.create_model("resnet18", pretrained=False, num_classes=7)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    encoder = create_encoder("resnet18", pretrained=True, weights=tmp_path / "weights.pth")
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_real_weights_fit_their_encoder(shared):
    encoder = create_encoder(
        "tf_efficientnetv2_b0",
        pretrained=True,
        weights=shared / "weights" / "tf_efficientnetv2_b0.in1k.safetensors",
    )
    assert encoder.num_features == 1280


def weights_of_another_architecture(path):
    torch.save(timm.create_model("resnet34", pretrained=False).state_dict(), path)


def weights_cut_in_half(path):
    torch.save(timm.create_model("resnet18", pretrained=False).state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("write", "suffix", "message"),
    [
        (lambda path: None, "pth", "no such file"),
        (weights_of_another_architecture, "pth", "not weights of model.encoder=resnet18: .* unknown, first layer"),
        (weights_cut_in_half, "pth", "is damaged or no file of weights"),
        (lambda path: path.write_bytes(b"123"), "safetensors", "is damaged or no file of weights"),
        (lambda path: torch.save([1, 2], path), "pth", "expected a state dict"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, write, suffix, message):
    path = tmp_path / f"weights.{suffix}"
    write(path)
    with pytest.raises(UserError, match=f"model.encoder_weights=.*{message}"):
        create_encoder("resnet18", pretrained=False, weights=path)


@pytest.mark.parametrize("channels", [(4, 4), (4, 1), (16, 16)])
def test_a_convolution_of_few_channels_is_pytorchs_in_another_layout(channels):
    torch.manual_seed(0)
    found = FewChannelsConv2d(*channels, kernel_size=3, padding=1).double()
    expected = nn.Conv2d(*channels, kernel_size=3, padding=1).double()
    expected.load_state_dict(found.state_dict())
    images = torch.rand(2, channels[0], 12, 12, dtype=torch.float64)
    outputs = []
    for layer in (found, expected):
        inputs = images.clone().requires_grad_()
        layer(inputs).square().sum().backward()
        outputs.append((layer(inputs), inputs.grad, layer.weight.grad, layer.bias.grad))
    assert outputs[0][0].is_contiguous()
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
