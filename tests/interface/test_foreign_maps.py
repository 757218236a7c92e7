"""Maps that other libraries make, as they give them, ranked in memory and through files."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import quantus
import torch
import torchvision
from captum.attr import IntegratedGradients, LayerGradCam, Saliency
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch.nn.functional import interpolate
from zennit.attribution import Gradient
from zennit.composites import EpsilonAlpha2Beta1
from zennit.torchvision import ResNetCanonizer

import xairank
from tests.conftest import write_category
from tests.interface.commands import brute_forces, by_method, only_run, rank_command, read_scores
from xairank.data.map_files import resize_map
from xairank.errors import UserError
from xairank.evaluation import topk_overlap

TorchCam = pytest.importorskip("torchcam.methods", reason="needs Python 3.11").GradCAM
SIZE, LAYER = 64, "layer2"
SIGNS = {"as_is": lambda maps: maps, "abs": np.abs, "positive": lambda maps: np.maximum(maps, 0)}
COARSE, SIGNED = ("captum_gradcam", "torchcam_gradcam"), ("captum_gradcam", "zennit_lrp", "quantus_ig")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A network, all defects of a tiny category, and where its files are."""
    folder = tmp_path_factory.mktemp("foreign")
    place = write_category(folder / "data" / "nuts", good=4, defects=4, size=SIZE)
    paths = sorted(path for path in place.glob("test/*/*.png") if path.parent.name != "good")
    masks = [place / "ground_truth" / path.parent.name / f"{path.stem}_mask.png" for path in paths]
    torch.manual_seed(12)
    model = torchvision.models.resnet18(num_classes=3).eval()
    images = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255 for path in paths])
    with torch.no_grad():
        predicted = model(images).argmax(dim=1)
    return SimpleNamespace(
        folder=folder,
        model=model,
        images=images,
        masks=torch.stack([torch.from_numpy(np.array(Image.open(path)) > 0) for path in masks]),
        predicted=predicted,
        labels=[path.parent.name for path in paths],
        samples=[f"{path.parent.name}/{path.stem}" for path in paths],
    )


@pytest.fixture(scope="module")
def maps(case):
    """By method, what each library gives; channels are reduced where it gives three."""
    model, images, predicted = case.model, case.images, case.predicted
    layer = model.get_submodule(LAYER)
    with GradCAM(model=model, target_layers=[layer]) as gradcam:
        grad_cam = gradcam(input_tensor=images, targets=[ClassifierOutputTarget(int(one)) for one in predicted])
    with TorchCam(model, target_layer=LAYER) as extractor:
        torchcam = [
            extractor(int(target), model(image[None]))[0] for image, target in zip(images, predicted, strict=True)
        ]
    canonizers = [ResNetCanonizer()]
    with Gradient(model=model, composite=EpsilonAlpha2Beta1(canonizers=canonizers)) as attributor:
        _, relevance = attributor(images, torch.eye(3)[predicted])
    found = {
        "captum_saliency": Saliency(model).attribute(images, predicted).amax(dim=1),
        "captum_ig": IntegratedGradients(model).attribute(images, target=predicted, n_steps=8).abs().sum(dim=1),
        "captum_gradcam": LayerGradCam(model, layer).attribute(images, predicted),
        "grad_cam": grad_cam,
        "torchcam_gradcam": torchcam,
        "zennit_lrp": relevance.sum(dim=1),
        "quantus_ig": quantus.explain(model, images.numpy(), predicted.numpy(), method="IntegratedGradients"),
    }
    assert grad_cam.dtype == np.float32
    assert grad_cam.shape == (len(images), SIZE, SIZE)
    assert [one.shape for one in torchcam] == [(1, 8, 8)] * len(images)
    assert found["captum_gradcam"].shape == (len(images), 1, 8, 8)
    assert found["captum_gradcam"].requires_grad
    assert found["quantus_ig"].shape == (len(images), 1, SIZE, SIZE)
    assert {name for name, one in found.items() if plain(one).min() < 0} == set(SIGNED)
    return found


@pytest.fixture
def ranked_in_files(case, maps, monkeypatch, capsys):
    """A function that writes the maps as files, ranks them by the command, and gives status, output and errors."""
    monkeypatch.chdir(case.folder)

    def rank(name, *arguments):
        for method, values in maps.items():
            for sample, one in zip(case.samples, plain(values), strict=True):
                path = Path(f"maps/{method}/{sample}.npy")
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, one)
        data = ("data.root=data", "data.category=nuts", f"data.image_size={SIZE}", "maps=maps", f"name={name}")
        return rank_command(monkeypatch, capsys, *data, *arguments)

    return rank


def plain(maps):
    """Maps (N, h, w) as an array."""
    found = np.stack([one.detach().numpy() if isinstance(one, torch.Tensor) else one for one in maps])
    return found[:, 0] if found.ndim == 4 else found


def overlaps(ranking):
    """A row an image in the order given, a column a method; controls are no method."""
    (group,) = ranking.sweep.groups
    return by_method(group.scores)


@pytest.mark.parametrize("sign", SIGNS)
def test_scores_are_those_of_sorting_and_counting(case, maps, sign, capsys):
    ranking = xairank.rank_maps(maps, case.masks, case.labels, case.images, sign=sign)
    out = capsys.readouterr().out
    scores = overlaps(ranking)
    assert set(scores) == set(maps)
    for method, values in maps.items():
        ready = SIGNS[sign](plain(values))
        fine = np.stack([resize_map(one, (SIZE, SIZE)) for one in ready])
        expected = brute_forces(fine, case.masks)
        np.testing.assert_allclose(scores[method], expected, rtol=0, atol=1e-12, err_msg=method)
        assert np.array_equal(scores[method], topk_overlap(torch.from_numpy(fine).double(), case.masks).numpy())
        note = f"Note: maps of {method} are resized bilinearly from 8 x 8 to {SIZE} x {SIZE} pixels."
        assert (note in out) == (method in COARSE)
        assert (fine.shape == ready.shape) == (method not in COARSE)
        # torch's own upsampling rounds differently, so that a pixel or two of the top K may be others.
        upsampled = interpolate(torch.from_numpy(ready)[:, None], (SIZE, SIZE), mode="bilinear")[:, 0]
        pixels = (
            np.abs(scores[method] - topk_overlap(upsampled, case.masks).numpy())
            * case.masks.flatten(1).sum(dim=1).numpy()
        )
        assert pixels.max() <= 2, method
    table = ranking.table.set_index("method")["score"]
    # The two classes have the same number of images, each a case of its own, so that the mean is plain.
    assert table.to_dict() == pytest.approx(scores.mean().to_dict())


def test_the_rule_for_negative_values_counts_where_there_are_such(case, maps):
    scores = {sign: overlaps(xairank.rank_maps(maps, case.masks, sign=sign)) for sign in SIGNS}
    for method in set(maps) - set(SIGNED):
        assert scores["as_is"][method].equals(scores["abs"][method])
        assert scores["as_is"][method].equals(scores["positive"][method])
    for method in ("zennit_lrp", "quantus_ig"):  # whose negative values are as large as the positive ones
        assert not scores["as_is"][method].equals(scores["abs"][method])


def test_metrics_of_mass_are_left_out_where_negative_values_stay(case, maps, capsys):
    every = xairank.rank_maps(maps, case.masks, sign="abs").scores
    kept = xairank.rank_maps(maps, case.masks, sign="as_is")
    note = "Note: mass_accuracy and mass_distance are left out: not defined for negative values, maps_sign=as_is."
    assert capsys.readouterr().out.count(note) == 1
    gone = {f"{name}{end}" for name in ("mass_accuracy", "mass_distance") for end in ("", "_chance")}
    assert set(every) - set(kept.scores) == gone
    assert "ROC-AUC" in kept.to_markdown()
    with pytest.raises(UserError, match=r"^ranking.metric=mass_distance is not allowed with maps_sign=as_is"):
        xairank.rank_maps(maps, case.masks, sign="as_is", metric="mass_distance")


@pytest.mark.parametrize("method", SIGNED)
def test_the_rule_for_negative_values_must_be_given(case, maps, method):
    with pytest.raises(UserError, match=rf"maps\['{method}'\]: has negative values, down to -.*sign='as_is', 'abs' or"):
        xairank.rank_maps({method: maps[method]}, case.masks)


@pytest.mark.parametrize("sign", SIGNS)
def test_files_and_memory_give_the_same_scores(case, maps, ranked_in_files, sign, capsys):
    expected = overlaps(xairank.rank_maps(maps, case.masks, case.labels, case.images, sign=sign))
    capsys.readouterr()
    status, out, err = ranked_in_files(sign, f"maps_sign={sign}")
    assert status == 0, err
    for method in maps:
        note = f"Note: maps of {method} are resized bilinearly from 8 x 8 to {SIZE} x {SIZE} pixels."
        assert (note in out) == (method in COARSE)
    found = read_scores(only_run(sign))
    assert found.index.tolist() == case.samples
    for method in maps:
        assert found[method].tolist() == expected[method].tolist(), method


def test_negative_values_in_files_are_refused_without_a_rule(ranked_in_files):
    status, _, err = ranked_in_files("none")
    assert status == 2
    assert "has negative values, down to -" in err
    assert "maps_sign=as_is or maps_sign=abs or maps_sign=positive" in err
    assert not Path("multirun/none").exists() or not list(Path("multirun/none").glob("*/run.json"))


def test_the_same_method_of_another_library_scores_the_same(case, maps):
    """All of the libraries' Grad-CAM and Captum's saliency and integrated gradients, against xairank's own.

    In float32 and with batch norm folded, so that values differ by rounding, and a pixel at the edge of the top K may
    be another: here none is. pytorch-grad-cam and torch-cam bring each map to [0, 1], which keeps its order; the
    former enlarges it by OpenCV, the latter not at all.
    """
    methods = {
        "saliency": xairank.attribution.Saliency(),
        "gradcam": xairank.attribution.GradCAM(),
        "integrated_gradients": xairank.attribution.IntegratedGradients(n_steps=8),
    }
    own = overlaps(xairank.rank(case.model, case.images, case.masks, layer=LAYER, methods=methods))
    assert (own.nunique() > 3).all()  # the case tells maps apart
    found = overlaps(xairank.rank_maps(maps, case.masks, sign="positive"))
    pixels = case.masks.flatten(1).sum(dim=1).numpy()
    for theirs, ours in (
        ("captum_saliency", "saliency"),
        ("captum_ig", "integrated_gradients"),
        ("captum_gradcam", "gradcam"),
        ("grad_cam", "gradcam"),
        ("torchcam_gradcam", "gradcam"),
    ):
        assert (np.abs(found[theirs] - own[ours]) * pixels).max() <= 1 + 1e-9, theirs


def test_maps_of_three_channels_are_refused(case):
    attributions = Saliency(case.model).attribute(case.images, case.predicted)
    with pytest.raises(UserError, match=r"maps\['saliency'\]: found shape \(8, 3, 64, 64\); .* reduce the channels to"):
        xairank.rank_maps({"saliency": attributions}, case.masks)


def test_a_batch_of_torchcam_is_a_list_of_one_tensor_a_layer(case):
    with TorchCam(case.model, target_layer=LAYER) as extractor:
        found = extractor(case.predicted.tolist(), case.model(case.images))
    assert [one.shape for one in found] == [(8, 8, 8)]
    with pytest.raises(UserError, match=r"maps\['torchcam'\]: found shape \(1, 8, 8, 8\); expected \(8, height, width"):
        xairank.rank_maps({"torchcam": found}, case.masks)
    alone = xairank.rank_maps({"torchcam": found[0]}, case.masks)
    assert len(overlaps(alone)) == len(case.images)
