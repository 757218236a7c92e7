"""Which orders of class names are refused, and which are only a network's errors."""

import pytest

from xairank.errors import UserError
from xairank.experiment.classifier import check_order

CLASSES = ["crack", "good", "hole"]


def labels_of(**counts):
    return [label for label, count in counts.items() for _ in range(count)]


def test_names_that_changed_places_are_refused_with_the_order_that_fits():
    labels = labels_of(crack=10, good=10, hole=10)
    swapped = {"crack": "hole", "good": "good", "hole": "crack"}
    predicted = [swapped[label] for label in labels]
    with pytest.raises(UserError) as caught:
        check_order(CLASSES, labels, predicted, "model.classes")
    assert str(caught.value) == (
        "model.classes: in this order 10 of 30 images are classified correctly, as [hole,good,crack] 30 would be; give "
        "the names in the order of the outputs"
    )


def test_three_names_in_a_circle():
    labels = labels_of(crack=4, good=4, hole=4)
    turned = {"crack": "good", "good": "hole", "hole": "crack"}
    # An output that is called crack fires for holes, so that its name is hole; and so on.
    with pytest.raises(UserError, match=r"^classes: .* as \[hole,crack,good\] 12 would be"):
        check_order(CLASSES, labels, [turned[label] for label in labels], "classes")


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        (labels_of(crack=10), labels_of(crack=2, good=8)),  # one class of defects, often missed
        (labels_of(crack=10, hole=10), labels_of(good=20)),  # all missed
        (labels_of(crack=2, hole=2), labels_of(hole=2, crack=2)),  # too few to say
        (labels_of(crack=9, good=9, hole=9), labels_of(crack=9, good=18)),  # holes are missed
    ],
)
def test_errors_of_a_network_are_no_wrong_order(labels, predicted):
    check_order(CLASSES, labels, predicted, "model.classes")
