"""The pages of ``docs/methods`` and ``docs/metrics`` say what the classes and the configuration say."""

import inspect
import re
import textwrap
from typing import get_origin

import pytest
import yaml

from tests.method_costs import method_cost, metric_cost, metric_needs
from tests.method_pages import DOCS, SOURCES, markdown, pages, texts
from xairank import attribution, evaluation
from xairank.attribution import AttributionMethod, controls
from xairank.evaluation import FunctionMetric, ImageMeasure, Metric, ModelMetric

KINDS = list(SOURCES)
PICTURE, ALL_PICTURES = 25_000, 1_000_000  # bytes


def test_no_page_is_stale_missing_or_left_over():
    committed = {
        str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
        for kind in KINDS
        for path in (DOCS / kind).glob("*.md")
    }
    found = texts()
    assert set(committed) == set(found)
    for path, text in found.items():
        assert committed[path] == text, f"docs/{path} is stale: python -m tests.method_pages"


@pytest.mark.parametrize(
    ("kind", "modules", "bases", "abstract"),
    [
        ("methods", (attribution, controls), (AttributionMethod,), {AttributionMethod, controls.Control}),
        ("metrics", (evaluation,), (Metric, ImageMeasure), {Metric, ModelMetric, ImageMeasure, FunctionMetric}),
    ],
)
def test_every_class_that_is_exported_has_a_page(kind, modules, bases, abstract):
    exported = [getattr(module, name) for module in modules for name in dir(module)]
    classes = {one for one in exported if inspect.isclass(one) and not get_origin(one) and issubclass(one, bases)}
    assert {page.cls for page in pages(kind)} == classes - abstract


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_of_a_page_is_the_entry(kind):
    for page in pages(kind):
        text = (DOCS / kind / f"{page.name}.md").read_text(encoding="utf-8")
        (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        assert yaml.safe_load(block) == {page.key: page.entries}


def test_links_and_pictures_are_there_and_pictures_are_small():
    pictures = set()
    for path in (DOCS / path for path in texts()):
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            target = path.parent / link
            assert target.is_file(), f"{path}: {link}"
            pictures |= {target} if target.suffix == ".png" else set()
    assert pictures == {path for kind in KINDS for path in (DOCS / kind / "pictures").iterdir()}
    sizes = [path.stat().st_size for path in pictures]
    assert max(sizes) <= PICTURE
    assert sum(sizes) <= ALL_PICTURES


def test_costs_are_counted():
    steps = {"_target_": "xairank.attribution.IntegratedGradients", "n_steps": 3}
    assert method_cost(steps) == "8 forward passes"  # forward and backward for the prediction and each step
    assert metric_cost({"_target_": "xairank.evaluation.Deletion", "n_steps": 3}) == "4 forward passes a map"
    assert metric_cost({"_target_": "xairank.evaluation.Sensitivity", "n_draws": 3}) == "3 explanations a map"
    assert metric_needs({"_target_": "xairank.evaluation.Complexity"}) == "the map alone"
    assert metric_needs({"_target_": "xairank.evaluation.TopKOverlap"}) == "the mask"


def test_a_docstring_becomes_markdown():
    text = textwrap.dedent("""\
        As ``x``, see :class:`~package.Known` and :func:`other`:

        - one ``y``;
        - two.""")
    assert markdown(text, {"Known": "[K](k.md)"}) == "As `x`, see [K](k.md) and `other`:\n\n- one `y`;\n- two."
