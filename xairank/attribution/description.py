"""What run.json says of attribution methods."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from xairank.names import display_name
from xairank.schema import MethodFacts


def describe_methods(methods: Mapping[str, Callable[..., Any]]) -> dict[str, MethodFacts]:
    """The facts by entry name; where two entries share a label, each becomes "Label (entry_name)"."""
    labels = {name: getattr(method, "label", "") or display_name(name) for name, method in methods.items()}
    counts = Counter(labels.values())
    return {
        name: MethodFacts(
            label=f"{labels[name]} ({name})" if counts[labels[name]] > 1 else labels[name],
            color=getattr(method, "color", ""),
            diagnostics=dict(getattr(method, "diagnostics", {})),
        )
        for name, method in methods.items()
    }
