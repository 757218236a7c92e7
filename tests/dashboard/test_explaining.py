"""One explanation, step by step."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.dashboard.serving import OURS, configuration
from tests.explaining import done, write_place
from xairank.attribution import AttentionRollout, GradCAM, IntegratedGradients, Saliency, explain, freeze
from xairank.dashboard.explaining import Answer, Explained, Question, Relied, Watched, explain_image
from xairank.dashboard.networks import KEPT, Networks
from xairank.dashboard.sources import find_sources
from xairank.dashboard.turns import Stopped
from xairank.evaluation import Reliance
from xairank.experiment.explainer import as_tensor
from xairank.experiment.probing import make_probe
from xairank.experiment.trial import small_network

HOLE, MASK = "data/nuts/test/hole/000.png", "data/nuts/ground_truth/hole/000_mask.png"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_place(tmp_path_factory.mktemp("explaining"))


@pytest.fixture
def question(place, monkeypatch):
    """Asks the network of the folder about a hole, with its mask; arguments replace parts of the question."""
    monkeypatch.chdir(place)
    (source,) = [source() for source in find_sources(configuration(*OURS), set()).values()]
    image, mask = np.asarray(Image.open(HOLE)), np.asarray(Image.open(MASK)) > 0
    methods = {"gradcam": GradCAM(), "integrated_gradients": IntegratedGradients(n_steps=2, smooth=1.5)}
    return Question(source, "000.png", image, mask, "predicted", methods)


@pytest.fixture(scope="module")
def networks():
    """Loads and freezes the network once, which takes most of the time of these tests."""
    return Networks("cpu", "auto")


def test_steps_hold_what_the_command_writes(place, question, networks):
    answer, *explained, relied = list(explain_image(networks, question, lambda images: None))
    options = ["~attribution.methods.saliency", "++attribution.methods.integrated_gradients.smooth=1.5"]
    manifest, _ = done(place, f"images={HOLE}", f"masks={MASK}", "overwrite=true", *options)
    (row,) = manifest["images"]
    assert isinstance(answer, Answer)
    assert (answer.predicted, answer.explained) == (row["predicted"], row["explained"])
    assert answer.probability == pytest.approx(row["probability"])
    assert answer.chance == row["topk_overlap_chance"]
    assert [step.label for step in explained] == ["Grad-CAM", "Integrated gradients"]
    for step in explained:
        record = row["methods"][step.name]
        assert isinstance(step, Explained)
        assert step.overlap == record["topk_overlap"]
        with np.load(place / "explanations" / record["npz"]) as arrays:
            np.testing.assert_array_equal(step.map, arrays["attribution"])
        assert step.cost.seconds > 0
    assert explained[1].diagnostics["completeness error, in logits"] == pytest.approx(
        row["methods"]["integrated_gradients"]["completeness_error"]
    )
    network = networks.load(question.source, as_tensor([question.image]))
    target = torch.tensor([network.classes.index(answer.explained)])
    probe = make_probe(network.frozen, as_tensor([question.image]), target, 4)
    expected = Reliance()(torch.from_numpy(question.mask)[None], probe)
    assert isinstance(relied, Relied)
    assert relied.reliance == pytest.approx(float(expected[""]), abs=1e-6)
    assert relied.least == pytest.approx(float(expected["least"]), abs=1e-6)


def test_without_a_mask_nothing_is_scored(question, networks):
    steps = list(explain_image(networks, question._replace(mask=None), lambda images: None))
    assert [type(step) for step in steps] == [Answer, Explained, Explained]
    assert steps[0].chance is None
    assert steps[1].overlap is None


def test_another_class_can_be_explained(question, networks):
    named = question.source.classes[0]
    answer = next(explain_image(networks, question._replace(target=named), lambda images: None))
    assert answer.explained == named


def test_methods_that_cannot_explain_the_network_are_left_out_with_the_reason(question, networks):
    methods = {"attention_rollout": AttentionRollout(), "saliency": Saliency()}
    answer, *rest = list(explain_image(networks, question._replace(methods=methods), lambda images: None))
    assert list(answer.left_out) == ["Attention rollout"]
    assert "attends" in answer.left_out["Attention rollout"]
    assert [step.name for step in rest if isinstance(step, Explained)] == ["saliency"]


def test_it_can_be_stopped_between_batches(question, networks):
    passes = []

    def stop_after_ten(images):
        passes.append(images)
        if len(passes) > 10:
            raise Stopped

    methods = {"integrated_gradients": IntegratedGradients(n_steps=1000, rule="midpoint")}
    steps = explain_image(networks, question._replace(methods=methods), stop_after_ten)
    next(steps)
    with pytest.raises(Stopped):
        next(steps)
    assert len(passes) == 11
    # The network is as it was: the same question has the same answer.
    first, second = (list(explain_image(networks, question, lambda images: None)) for _ in range(2))
    np.testing.assert_array_equal(first[1].map, second[1].map)


def test_a_watched_network_gives_the_same_maps_and_counts_every_pass():
    model, counted = freeze(small_network(), torch.rand(1, 3, 64, 64)), []
    images, method = torch.rand(1, 3, 64, 64), {"ig": IntegratedGradients(n_steps=8), "cam": GradCAM(layer=0)}
    watched = explain(method, Watched(model, counted.append), images, batch_limit=4)
    plain = explain(method, model, images, batch_limit=4)
    for name in method:
        torch.testing.assert_close(watched[name][0], plain[name][0], rtol=0, atol=0)
    assert sum(counted) == 1 + 1 + 8 + 1  # the image, the baseline, the steps, and the image at the layer
    assert max(counted) == 4


def test_a_network_is_loaded_once_and_a_changed_file_is_another_network(question, monkeypatch):
    networks, image = Networks("cpu", "auto"), as_tensor([question.image])
    monkeypatch.setattr(networks, "_loaded", lambda source, image: object())
    first = networks.load(question.source, image)
    assert networks.load(question.source, image) is first
    others = [
        question.source.__class__(**{**vars(question.source), "seed": 1, "classes": list(names)})
        for names in (("a", "b", "c"), ("b", "a", "c"), ("c", "a", "b"))
    ]
    assert len(others) == KEPT
    for other in others:
        networks.load(other, image)
    assert networks.load(question.source, image) is not first
    state = torch.load("weights.pth", weights_only=True)
    before = question.source.key
    torch.save(state, "weights.pth")
    assert question.source.key != before
