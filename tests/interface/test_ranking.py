"""A ranking as an object: what it says, what it saves, and what it takes in memory."""

import copy
import json
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

import xairank
from tests.interface.commands import brute_forces, by_method
from xairank.attribution import IntegratedGradients, Saliency
from xairank.errors import UserError
from xairank.evaluation import TopKIoU
from xairank.runs.sweep import read_sweep
from xairank.tables.__main__ import main as tables

COUNT, SIDE = 12, 32
METHODS = {"saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=2)}


def study(seed=0):
    """Maps of three methods of known order: the more of the mask in it, the better."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(COUNT, SIDE, SIDE, dtype=torch.bool)
    for number in range(COUNT):
        masks[number, number : number + 8, 10 : 18 + number % 3] = True
    noise = [torch.rand(COUNT, SIDE, SIDE, generator=generator) for _ in range(3)]
    return {"awful": noise[0], "best": noise[1] + 0.8 * masks, "middle": noise[2] + 0.4 * masks}, masks


@pytest.fixture(scope="module")
def ranking():
    maps, masks = study()
    labels = ["crack", "hole"] * (COUNT // 2)
    images = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    return xairank.rank_maps(maps, masks, [*labels[:-2], "good", "hole"], images, predicted=[*labels[:-1], "crack"])


class Tiny(nn.Module):
    """Two classes by the mean brightness of the middle."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        return self.head(self.convolution(images).relu().mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def given():
    """A network, images, masks, and the class of each image that the network predicts."""
    torch.manual_seed(3)
    model = Tiny().eval()
    images = torch.rand(COUNT, 3, SIDE, SIDE)
    images[::2] *= 0.3
    masks = study()[1]
    with torch.no_grad():
        logits = model(images)
        model.head.bias -= logits.mean(dim=0)
        predicted = model(images).argmax(dim=1)
    assert set(predicted.tolist()) == {0, 1}
    return model, images, masks, predicted


def scores(*arguments, **options):
    return by_method(xairank.rank(*arguments, methods=METHODS, **options).scores)


def refusal(function, *arguments, **options):
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_table_is_sorted_best_first(ranking):
    table = ranking.table
    assert table["method"].tolist() == ["best", "middle", "awful"]
    assert (table["score"].diff().dropna() < 0).all()
    assert (table["rank"].diff().dropna() > 0).all()
    assert table.columns[:2].tolist() == ["split", "method"]
    assert set(table["n_images"]) == {COUNT - 2}
    assert (table["score_low"] <= table["score"]).all()
    assert (table["score"] <= table["score_high"]).all()
    assert table["win_rate"].sum() == pytest.approx(1)
    maps, masks = study()
    ranked = [*range(COUNT - 2)]
    expected = {name: brute_forces(values[ranked], masks[ranked]).mean() for name, values in maps.items()}
    assert table.set_index("method")["score"].to_dict() == pytest.approx(expected, abs=1e-12)


def test_images_that_are_not_ranked_are_listed(ranking):
    assert ranking.excluded[["sample", "reason"]].to_numpy().tolist() == [["0010", "good"], ["0011", "misclassified"]]
    assert "group" not in ranking.excluded
    assert "group" not in ranking.scores


def test_statistics_and_conclusion(ranking):
    statistics = ranking.statistics
    assert len(statistics) >= 3
    found = ranking.conclusion
    assert found.startswith("Test: ")
    assert found.lower().index("best") < found.lower().index("awful")
    assert "0.05" in found or "chance" in found


def test_all_of_it_in_markdown(ranking):
    report = ranking.to_markdown()
    assert report.startswith("# Ranking of attribution methods\n\n")
    assert ranking.conclusion in report
    for name in ("Best", "Middle", "Awful"):
        assert name in report
    assert report.count("\n|") > 6
    assert "Ranking" in ranking._repr_markdown_() or "|" in ranking._repr_markdown_()
    assert str(ranking).splitlines()[1].split()[:2] == ["test", "best"]
    assert repr(ranking) == f"<Ranking of 3 methods on {COUNT - 2} images; print() shows it>"


def test_the_report_is_a_page_in_the_folder_that_is_named(ranking, tmp_path):
    assert refusal(ranking.report).startswith("report: the ranking is in a temporary folder; name one")
    page = ranking.report(tmp_path / "mine")
    assert page == tmp_path / "mine" / "index.html"
    assert "Best ranks above" in page.read_text(encoding="utf-8")
    assert xairank.Ranking(ranking.save(tmp_path / "kept")).report() == tmp_path / "kept" / "report" / "index.html"


def test_a_notebook_shows_the_answer_the_table_and_what_qualifies_it(ranking):
    shown = ranking._repr_html_()
    assert shown.strip().startswith("<p><strong>Best ranks above")
    assert shown.count("<tr") == 1 + len(ranking.table) + len(ranking.controls)
    for line in ranking.conclusion.splitlines():
        assert line.replace("'", "&#39;") in shown
    assert "<script" not in shown


def test_a_figure_by_part_of_its_name(ranking):
    before = dict(mpl.rcParams)
    for name in ("overlap_distribution", "overlap", "pairwise", "win_rate"):
        assert any(name in known for known in ranking.figures)
        assert isinstance(ranking.figure(name), Figure)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("name", "hint"), [("figure7_winrate", "did you mean figure7_win_rate?"), ("@", "expected one of figure7_win_rate")]
)
def test_a_figure_that_is_not_there(ranking, name, hint):
    message = refusal(ranking.figure, name)
    assert message.startswith(f"figure {name}: there is none; ")
    assert hint in message


def test_a_saved_ranking_is_a_sweep(ranking, tmp_path, monkeypatch, capsys):
    folder = ranking.save(tmp_path / "multirun" / "mine")
    assert folder == tmp_path / "multirun" / "mine"
    sweep = read_sweep(folder)
    pd.testing.assert_frame_equal(sweep.scores, ranking.sweep.scores)
    pd.testing.assert_frame_equal(xairank.Ranking(folder).scores, ranking.scores)
    pd.testing.assert_frame_equal(xairank.Ranking(folder).table, ranking.table)
    assert xairank.Ranking(folder).conclusion == ranking.conclusion
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tables", "name=mine"])
    tables()
    assert ranking.conclusion.splitlines()[0] in capsys.readouterr().out
    table = pd.read_csv(folder / "tables" / "ranking.csv")
    table = table[table["control"].isna()]
    pd.testing.assert_frame_equal(
        table[["method", "score", "rank"]].sort_values("rank", ignore_index=True),
        ranking.table[["method", "score", "rank"]],
        check_dtype=False,
    )
    assert all(json.loads(path.read_text())["status"] == "complete" for path in folder.glob("*/run.json"))


def test_nothing_is_overwritten(ranking, tmp_path):
    (tmp_path / "mine").mkdir()
    assert ranking.save(tmp_path / "mine") == tmp_path / "mine"  # it is empty
    assert refusal(ranking.save, tmp_path / "mine").endswith("mine: is not empty; choose a new folder, or delete it")
    (tmp_path / "file").write_text("mine")
    assert "is not empty" in refusal(ranking.save, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    saved = xairank.Ranking(tmp_path / "mine")
    assert saved.save(tmp_path / "mine") == tmp_path / "mine"  # where it is already


def test_the_temporary_folder_lives_as_long_as_the_ranking():
    maps, masks = study()
    ranking = xairank.rank_maps(maps, masks)
    folder = ranking.folder
    assert folder.is_dir()
    del ranking
    assert not folder.exists()


def test_a_ranking_of_nothing_says_so():
    maps, masks = study()
    ranking = xairank.rank_maps(maps, masks, ["good"] * COUNT)
    assert ranking.conclusion == "No image could be ranked: no defect with a mask in view was classified correctly."
    assert ranking.table.empty
    assert ranking.statistics.empty
    assert ranking.conclusion in ranking.to_markdown()
    assert ranking.conclusion in str(ranking)
    assert repr(ranking) == "<Ranking of 3 methods on 0 images; print() shows it>"
    assert refusal(ranking.figure, "overlap").startswith("figure overlap: there is none; expected one of none")


def as_mapping(keys):
    return lambda batch: dict(zip(keys, default_collate(batch), strict=True))


@pytest.mark.parametrize(
    "collate",
    [
        None,
        as_mapping(("images", "masks", "labels")),
        as_mapping(("image", "mask", "label")),
        as_mapping(("image", "mask", "target")),
    ],
)
def test_data_loaders(given, collate):
    model, images, masks, predicted = given
    wrong = predicted.clone()
    wrong[0] = 1 - wrong[0]
    loader = DataLoader(TensorDataset(images, masks, wrong), batch_size=5, collate_fn=collate)
    expected = scores(model, images, masks, wrong)
    assert len(expected) == COUNT - 1
    assert scores(model, loader).equals(expected)
    assert len(scores(model, DataLoader(TensorDataset(images, masks), batch_size=5))) == COUNT
    assert len(scores(model, [(images[:6], masks[:6]), (images[6:], masks[6:])])) == COUNT


def test_labels_as_indices_and_names(given):
    model, images, masks, predicted = given
    predicted = predicted.clone()
    predicted[2] = 1 - predicted[2]
    classes = ["crack", "good"]
    names = [classes[index] for index in predicted]
    expected = scores(model, images, masks, predicted, classes=classes)
    assert len(expected) == sum(
        index == 0 and number != 2 for number, index in enumerate(predicted.tolist())
    )  # neither the good ones nor the one that is wrong
    for labels in (predicted.numpy(), names, np.array(names)):
        assert scores(model, images, masks, labels, classes=classes).equals(expected)


def test_images_of_whole_numbers_become_0_to_1(given):
    model, images, masks, _ = given
    whole = (images * 255).round().to(torch.uint8)
    expected = scores(model, whole.float() / 255, masks)
    assert scores(model, whole, masks).equals(expected)
    assert scores(model, whole.numpy(), masks.numpy() * np.uint8(255)).equals(expected)
    assert scores(model, whole, masks[:, None].float()).equals(expected)


def test_metrics_and_methods_of_one_s_own(given):
    model, images, masks, _ = given

    def inside(maps, masks):
        return (maps * masks).flatten(1).sum(dim=1) / maps.flatten(1).sum(dim=1)

    def plain(model, images, targets):
        return images.mean(dim=1)

    metrics = {"inside": inside, "topk_iou": TopKIoU()}
    ranking = xairank.rank(model, images, masks, methods={"plain": plain, **METHODS}, metrics=metrics)
    found = by_method(ranking.scores, "inside")["plain"]
    np.testing.assert_allclose(found, inside(images.mean(dim=1).double(), masks), rtol=1e-6)
    assert ranking.table.set_index("method")["score"]["plain"] == pytest.approx(found.mean())
    by_iou = xairank.rank(model, images, masks, methods=METHODS, metrics=metrics, metric="topk_iou")
    score = by_method(by_iou.scores, "topk_iou")["saliency"].mean()
    assert by_iou.table.set_index("method")["score"]["saliency"] == pytest.approx(score)


def with_nan(images):
    return images.clone().index_fill(0, torch.tensor([4]), torch.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, m, y: (i[0], m, y), r"images: found shape (3, 32, 32); expected (images, 3, height, width)"),
        (lambda i, m, y: (i[:, :1], m, y), r"images: found shape (12, 1, 32, 32); expected (images, 3, height, width)"),
        (lambda i, m, y: (i[:0], m[:0], y[:0]), r"images: found shape (0, 3, 32, 32)"),
        (lambda i, m, y: (i.permute(0, 2, 3, 1), m, y), r"images: found shape (12, 32, 32, 3)"),
        (lambda i, m, y: ((i * 255).long(), m, y), "images: found torch.int64; expected floating numbers"),
        (lambda i, m, y: (with_nan(i), m, y), "images: image 4 holds NaN or infinite values"),
        (lambda i, m, y: ("images", m, y), "images: found str; expected a tensor or an array"),
        (lambda i, m, y: ([i[0], i[1, :, :5]], m, y), "images: found list; expected a tensor or an array"),
        (lambda i, m, y: (None, m, y), "images: missing; expected images, masks and labels"),
        (lambda i, m, y: (i, None, y), "masks: missing; expected (images, height, width)"),
        (lambda i, m, y: (i, m[:5], y), "masks: found shape (5, 32, 32); expected (12, 32, 32), a mask for each image"),
        (lambda i, m, y: (i, m[:, :16], y), "masks: found shape (12, 16, 32); expected (12, 32, 32)"),
        (lambda i, m, y: (i, m.long() + (i[:, 0] > 0.5), y), "masks: found 3 different values; expected 0 and one oth"),
        (lambda i, m, y: (i, -m.float(), y), "masks: found 2 different values; expected 0 and one other"),
        (lambda i, m, y: (i, m, y[:5]), "labels: found 5; expected 12, one for each image"),
        (
            lambda i, m, y: (i, m, y + 1),
            "labels: found 2; expected one of class 0, class 1, or the index of an output ",
        ),
        (lambda i, m, y: (i, m, ["scratch"] * 12), "labels: found 'scratch'; expected one of class 0, class 1"),
        (lambda i, m, y: (i, m, 3), "labels: found 3; expected 12, one for each image"),
        (lambda i, m, y: (i, m * 1j, y), "masks: found Tensor; expected a tensor or an array (complex numbers have no"),
        (lambda i, m, y: (iter([]), None, None), "images: the data loader gives no batch"),
        (lambda i, m, y: ([i], None, None), "images: a batch is Tensor; expected (images, masks, labels)"),
        (lambda i, m, y: ([{"x": i, "y": y}], None, None), "images: a batch has x, y; expected images, masks and labe"),
    ],
)
def test_mistakes_are_one_line(given, change, message):
    model, images, masks, predicted = given
    assert refusal(xairank.rank, model, *change(images, masks, predicted)).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["crack"]}, "classes: found 1 names (crack), but the network gives 2 logits"),
        ({"classes": ["a", "b", "c"]}, "classes: found 3 names (a, b, c), but the network gives 2 logits"),
        ({"classes": ["a", "a"]}, "classes: found a twice; expected a name of its own for each output"),
        ({"mean": 0.5}, "mean: found 0.5; expected three numbers, one a channel"),
        ({"std": [0.1, 0.1, 0]}, "std: found [0.1, 0.1, 0]; expected three numbers, one a channel and above 0"),
        ({"methods": {"mine": Saliency}}, "methods['mine']: found the class Saliency; expected an object that can be"),
        ({"methods": {}}, "attribution.methods={} is not allowed"),
        ({"metrics": {"mine": "iou"}}, "metrics['mine']: found str; expected an object that can be called"),
        ({"metrics": {"mine": lambda maps, masks: 1.0}}, "evaluation.metrics.mine: gives float for 2 maps, expected"),
        ({"metrics": {}}, "evaluation.metrics={} is not allowed"),
        ({"layer": "convolutoin"}, "layer=convolutoin: Tiny has no such layer; did you mean convolution"),
        ({"methods": "gradient"}, "attribution=gradient"),
        ({"metric": "topk"}, "ranking.metric"),
        ({"batch_limit": 0}, "attribution.batch_limit"),
        ({"seed": -1}, "seed"),
        ({"data": "nowhere"}, "data"),
    ],
)
def test_mistakes_in_options_are_one_line(given, options, message):
    model, images, masks, _ = given
    assert refusal(xairank.rank, model, images, masks, **options).startswith(message)


def test_networks_of_any_floating_type(given):
    model, images, masks, _ = given
    expected = scores(model, images, masks)
    for dtype, images_dtype in ((torch.float64, torch.float32), (torch.float32, torch.float64)):
        found = scores(copy.deepcopy(model).to(dtype), images.to(images_dtype), masks)
        np.testing.assert_allclose(found, expected, atol=0.03)
    for dtype in (torch.float16, torch.bfloat16):
        assert scores(copy.deepcopy(model).to(dtype), images, masks).shape == expected.shape
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


class Brightness(nn.Module):
    """A classifier without parameters."""

    def forward(self, images):
        return torch.stack([images.mean(dim=(1, 2, 3)), images.square().mean(dim=(1, 2, 3))], dim=1)


class OneLogit(Tiny):
    def forward(self, images):
        return super().forward(images)[:, :1]


class NoGradient(Tiny):
    @torch.no_grad()
    def forward(self, images):
        return super().forward(images)


def test_a_network_without_parameters(given):
    assert len(scores(Brightness(), *given[1:3])) == COUNT


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (OneLogit, "the network gives one logit, with which every image is of the same class; expected a logit for"),
        (NoGradient, "the model's logits have no gradient at the image, so that nothing can be explained"),
    ],
)
def test_networks_that_cannot_be_ranked_are_one_line(given, network, message):
    assert refusal(xairank.rank, network(), *given[1:3]).startswith(message)


@pytest.mark.parametrize("model", [None, [], "resnet18", [Tiny(), None], torch.nn.functional.relu])
def test_what_is_no_network_is_one_line(given, model):
    assert refusal(xairank.rank, model, *given[1:]).startswith("model: found ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda maps, masks: ({}, masks), "maps: found dict; expected a mapping, a method's name and its maps each"),
        (lambda maps, masks: (maps["best"], masks), "maps: found Tensor; expected a mapping"),
        (
            lambda maps, masks: ({"a": maps["best"][:5]}, masks),
            "maps['a']: found shape (5, 32, 32); expected (12, heig",
        ),
        (lambda maps, masks: ({"a": maps["best"][0]}, masks), "maps['a']: found shape (32, 32); expected (12, height"),
        (
            lambda maps, masks: ({"a": maps["best"][:, :0]}, masks),
            "maps['a']: found shape (12, 0, 32); expected (12, h",
        ),
        (lambda maps, masks: ({"a": maps["best"] * 1j}, masks), "maps['a']: found Tensor; expected a tensor or an ar"),
        (lambda maps, masks: ({"a": maps["best"] / 0}, masks), "maps['a']: the map of image 0 holds NaN or infinite"),
        (lambda maps, masks: (maps, masks[0, 0]), "masks: found shape (32,); expected (images, height, width)"),
        (lambda maps, masks: (maps, masks[:0]), "masks: found shape (0, 32, 32); expected"),
        (lambda maps, masks: (maps, masks, ["crack"]), "labels: found 1; expected 12, one for each mask"),
        (
            lambda maps, masks: (maps, masks, None, torch.rand(3, 3, 32, 32)),
            "images: found shape (3, 3, 32, 32); expec",
        ),
    ],
)
def test_mistakes_in_maps_are_one_line(change, message):
    assert refusal(xairank.rank_maps, *change(*study())).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sign": "negative"}, "maps_sign"),
        ({"metric": "topk"}, "ranking.metric"),
        ({"predicted": ["a"]}, "predicted: "),
    ],
)
def test_mistakes_in_options_of_maps_are_one_line(options, message):
    assert refusal(xairank.rank_maps, *study(), **options).startswith(message)
