import torch

from xairank.evaluation import FunctionMetric, TopKIoU, TopKOverlap, describe_metrics
from xairank.schema import MetricFacts, metric_facts, to_record


def distance(maps, masks):
    return (maps - masks.to(maps)).abs().mean(dim=(1, 2))


def test_a_class_a_function_and_a_function_with_facts():
    metrics = {
        "topk_overlap": TopKOverlap(),
        "topk_iou": TopKIoU(),
        "mean_distance": FunctionMetric(distance),
        "d": FunctionMetric(distance, "Distance", higher_is_better=False, low=0),
    }
    facts = describe_metrics(metrics)
    assert facts == {
        "topk_overlap": MetricFacts("Top-K Overlap", True, 0.0, 1.0),
        "topk_iou": MetricFacts("Top-K IoU", True, 0.0, 1.0),
        "mean_distance": MetricFacts("Mean distance", True, None, None),
        "d": MetricFacts("Distance", False, 0, None),
    }
    assert [some.best for some in facts.values()] == [1.0, 1.0, None, 0]
    assert metric_facts({"metrics": to_record(facts)}) == facts


def test_a_function_is_called_as_it_is():
    maps, masks = torch.rand(2, 3, 3), torch.rand(2, 3, 3) < 0.5
    assert torch.equal(FunctionMetric(distance)(maps, masks), distance(maps, masks))
    assert FunctionMetric(distance).chance(masks) is None
