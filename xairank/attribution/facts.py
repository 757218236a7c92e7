"""What the methods of a run are called, how they are drawn, and what they report."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from xairank.attribution.engine import AttributionMethod
from xairank.names import display_name
from xairank.schema import MethodFacts


def describe_methods(methods: Mapping[str, AttributionMethod | Callable[..., Any]]) -> dict[str, MethodFacts]:
    """The facts of methods by the names of their entries.

    A label is the class's own, or the entry's name in words. Where two entries would share one, each is followed by the
    name of its entry; of two with one colour the first keeps it.

    Example:
        >>> from xairank.attribution import GradCAM
        >>> [facts.label for facts in describe_methods({"gradcam": GradCAM(), "fine": GradCAM()}).values()]
        ['Grad-CAM (gradcam)', 'Grad-CAM (fine)']
    """
    labels = {name: getattr(method, "label", "") or display_name(name) for name, method in methods.items()}
    shared = Counter(labels.values())
    facts: dict[str, MethodFacts] = {}
    for name, method in methods.items():
        label = labels[name] if shared[labels[name]] == 1 else f"{labels[name]} ({name})"
        color = getattr(method, "color", "")
        taken = {some.color for some in facts.values()}
        diagnostics = dict(getattr(method, "diagnostics", {}))
        control = getattr(method, "control", "")
        facts[name] = MethodFacts(label, "" if color in taken else color, diagnostics, control)
    return facts
