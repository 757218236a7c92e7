"""Attribution methods: ``(model, images, targets) -> maps``, one class a method, no hooks.

The model is any module with timm's two methods: ``forward_features(images) -> (B, C, h, w)`` and
``forward_head(features) -> (B, classes)``; ``xairank.adapt`` gives them to any other. The explained score is the
target's logit. Images are (B, 3, H, W) in the model's input space, targets (B,) int64; maps are (B, H, W), of the
images' type and on their device, non-negative, not rescaled, and independent of how the batch was cut. The model is
left as it was found.

For many images, :func:`freeze` the model once and :func:`explain` with all methods at once: the same maps up to
rounding, faster. Calls on many images do so by themselves.
"""

from xairank.attribution.acceleration.batch_limit import default_batch_limit, measure_batch_limit
from xairank.attribution.acceleration.frozen import FrozenModel, freeze
from xairank.attribution.acceleration.kernels import kernels_in_use
from xairank.attribution.attention_rollout import AttentionRollout
from xairank.attribution.checks import NonFiniteError
from xairank.attribution.cost import Cost
from xairank.attribution.eigen_cam import EigenCAM
from xairank.attribution.engine import AttributionMethod, Diagnostics, Explanation, explain
from xairank.attribution.expected_gradients import ExpectedGradients
from xairank.attribution.facts import describe_methods
from xairank.attribution.gradcam import GradCAM
from xairank.attribution.gradcam_plus_plus import GradCAMPlusPlus
from xairank.attribution.gradient_attention_rollout import GradientAttentionRollout
from xairank.attribution.guided_backprop import GuidedBackprop
from xairank.attribution.hires_cam import HiResCAM
from xairank.attribution.input_x_gradient import InputXGradient
from xairank.attribution.integrated_gradients import IntegratedGradients
from xairank.attribution.layer_cam import LayerCAM
from xairank.attribution.lrp import LRP
from xairank.attribution.occlusion import Occlusion
from xairank.attribution.protocol import Model
from xairank.attribution.rise import RISE
from xairank.attribution.saliency import Saliency
from xairank.attribution.score_cam import ScoreCAM
from xairank.attribution.smoothgrad import SmoothGrad
from xairank.attribution.vargrad import VarGrad
from xairank.attribution.xgrad_cam import XGradCAM

__all__ = [
    "LRP",
    "RISE",
    "AttentionRollout",
    "AttributionMethod",
    "Cost",
    "Diagnostics",
    "EigenCAM",
    "ExpectedGradients",
    "Explanation",
    "FrozenModel",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientAttentionRollout",
    "GuidedBackprop",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "Model",
    "NonFiniteError",
    "Occlusion",
    "Saliency",
    "ScoreCAM",
    "SmoothGrad",
    "VarGrad",
    "XGradCAM",
    "default_batch_limit",
    "describe_methods",
    "explain",
    "freeze",
    "kernels_in_use",
    "measure_batch_limit",
]
