"""The methods that the audit compares, beside the controls, with what each costs."""

from typing import NamedTuple


class Method(NamedTuple):
    """A method of a run.

    Attributes:
        name: Its entry in ``attribution.methods``.
        passes: Through the network, forwards or backwards, an image.
        cls: Of :mod:`xairank.attribution`; empty for one that is configured already.
        options: Of its constructor.
    """

    name: str
    passes: int
    cls: str = ""
    options: str = ""

    @property
    def overrides(self) -> list[str]:
        """What adds it to a run."""
        if not self.cls:
            return []
        options = f",{self.options}" if self.options else ""
        return [f"+attribution.methods.{self.name}={{_target_:xairank.attribution.{self.cls}{options}}}"]


PAPER = (Method("gradcam", 1), Method("saliency", 2), Method("integrated_gradients", 52))

# Integrated gradients from other baselines are methods of the same run, compared on the same network. The first three
# are also used where a run has many images.
FURTHER = (
    Method("smoothgrad", 17, "SmoothGrad", "n_samples:8"),
    Method("guided_backprop", 2, "GuidedBackprop"),
    Method("layer_cam", 1, "LayerCAM"),
    Method("ig_mean_color", 52, "IntegratedGradients", "n_steps:25,baseline:mean_color"),
    Method("ig_blurred", 52, "IntegratedGradients", "n_steps:25,baseline:blurred"),
    Method("input_x_gradient", 2, "InputXGradient"),
    Method("gradcam_plus_plus", 1, "GradCAMPlusPlus"),
    Method("lrp", 7, "LRP"),
)
STEPS = (Method("ig_200_steps", 402, "IntegratedGradients", "n_steps:200"),)
# Known to pass no randomisation check, so that it shows what failing looks like.
RANDOMISED = (Method("guided_backprop", 2, "GuidedBackprop"),)
LRP = (Method("lrp", 7, "LRP"),)
