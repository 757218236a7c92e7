"""Mistakes in the code of methods and metrics are found on an image of noise."""

import pytest
import torch

from tests.attribution.networks import network
from xairank.attribution import AttributionMethod, GradCAM, IntegratedGradients, Saliency
from xairank.errors import UserError
from xairank.evaluation import (
    Deletion,
    FunctionMetric,
    ImageMeasure,
    MassAccuracy,
    Metric,
    ModelMetric,
    Reliance,
    Sensitivity,
    TopKIoU,
    TopKOverlap,
)
from xairank.experiment.trial import small_network, try_measures, try_methods, try_metrics


class Channels(AttributionMethod):
    def attribute(self, forward):
        return forward.images * forward.input_gradients, {}


class Misspelt(AttributionMethod):
    def attribute(self, forward):
        return forward.image.mean(dim=1), {}


class Forgetful(AttributionMethod):
    needs_prediction = False

    def attribute(self, forward):
        return forward.features.sum(dim=1), {}


class Zeros(AttributionMethod):
    """What random weights make of some methods is no mistake."""

    def attribute(self, forward):
        return forward.images.mean(dim=1) / 0, {}


def test_what_works_passes():
    methods = {"a": GradCAM(), "b": Saliency(), "c": IntegratedGradients(n_steps="auto"), "d": Zeros()}
    try_methods(methods, network("resnet18"))
    try_methods({"brightness": lambda model, images, targets: images.mean(dim=1)}, network("resnet18"))
    try_metrics(
        {
            "overlap": TopKOverlap(),
            "iou": TopKIoU(),
            "function": FunctionMetric(lambda a, b: a.mean(dim=(1, 2))),
            "deletion": Deletion(n_steps=2),
            "sensitivity": Sensitivity(n_draws=1),
        },
        small_network(),
    )
    try_measures({"reliance": Reliance()}, small_network())


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Channels(), r"returned \(1, 3, 64, 64\) for 1 images, expected maps \(1, 64, 64\); reduce channels to one"),
        (Misspelt(), r"AttributeError: 'ForwardPass' object has no attribute 'image'.* \(.*test_trial.py, line \d+\)"),
        (
            Forgetful(),
            r"reads features of the forward pass, .* needs_prediction = False; .* \(.*test_trial.py, line \d+\)",
        ),
        (lambda model, images, targets: None, "returned NoneType for 1 images"),
    ],
)
def test_a_method_that_cannot_work_is_named_with_its_line(method, message):
    with pytest.raises(UserError, match=rf"^attribution.methods.mine: fails on an image of noise: {message}") as caught:
        try_methods({"gradcam": GradCAM(), "mine": method}, network("resnet18"))
    assert "\n" not in str(caught.value)


class Signed(AttributionMethod):
    def attribute(self, forward):
        return forward.images.mean(dim=1) - 0.5, {}


def test_a_map_with_negative_values_is_found_before_a_metric_of_mass_refuses_it():
    methods, small = {"mine": Signed()}, network("resnet18")
    try_methods(methods, small, {"overlap": TopKOverlap()})
    message = "attribution.methods.mine: gives negative values, for which evaluation.metrics.mass is not defined; take"
    with pytest.raises(UserError, match=f"^{message}"):
        try_methods(methods, small, {"overlap": TopKOverlap(), "mass": MassAccuracy()})


class OneForAll(Metric):
    def __call__(self, maps, masks):
        return maps.mean()


class NoChance(TopKOverlap):
    def chance(self, masks):
        return 0.5


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (OneForAll(), r"gives \(\) for 2 maps, expected one number an image, \(2,\)"),
        (NoChance(), r"gives float for 2 maps"),
        (FunctionMetric(lambda maps, masks: torch.ones(3)[5]), r"fails on an image of noise: IndexError: index 5"),
    ],
)
def test_a_metric_that_cannot_work_is_named(metric, message):
    with pytest.raises(UserError, match=rf"^evaluation.metrics.mine: {message}"):
        try_metrics({"mine": metric}, small_network())


class WrongProbe(ModelMetric):
    def score(self, maps, masks, probe):
        return probe.logit(maps)


class OneNumber(ImageMeasure):
    def __call__(self, masks, probe):
        return {"": masks.double().mean()}


def test_a_metric_and_a_measure_that_ask_the_model_wrongly_are_named():
    with pytest.raises(UserError, match=r"^evaluation.metrics.mine: fails .*AttributeError: 'Probe' object has no"):
        try_metrics({"mine": WrongProbe()}, small_network())
    with pytest.raises(UserError, match=r"^evaluation.measures.mine: gives \(\) for 2 maps, expected one number an"):
        try_measures({"mine": OneNumber()}, small_network())
