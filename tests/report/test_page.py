"""The page as a file: what is in it, what it loads, and what an earlier report left behind."""

import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pandas as pd
import pytest

from tests.figures.conftest import write_sweep_with_maps
from tests.runs_fixture import write_fake_sweep
from xairank.report.drawings import KINDS
from xairank.report.page import write_report
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import NOTHING_RANKED, make_results

pytestmark = pytest.mark.xdist_group("report")  # one process renders what they share


class Page(HTMLParser):
    """What a page loads, and its tables, texts and attributes."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.tags, self.texts, self._hidden = [], [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.loaded += [found[name] for name in ("src", "href") if name in found and not found[name].startswith("#")]
        if tag == "textarea":
            self._hidden = found["id"]

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._hidden = None

    def handle_data(self, data):
        if self._hidden:
            self.texts[self._hidden] = self.texts.get(self._hidden, "") + data


@pytest.fixture(scope="module")
def page(reported):
    return Page(reported[2].read_text(encoding="utf-8"))


def test_everything_that_is_loaded_is_a_file_of_the_folder(reported, page):
    folder = reported[2].parent
    assert {"report.css", "report.js"} <= set(page.loaded)
    for name in page.loaded:
        assert (folder / name).is_file(), name
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".svg"}


def test_only_own_files_may_be_loaded_and_nothing_is_inline(page):
    (policy,) = [tag["content"] for name, tag in page.tags if tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
    assert not [tag for name, tag in page.tags if "style" in tag or any(key.startswith("on") for key in tag)]
    assert not [tag for name, tag in page.tags if name == "script" and "src" not in tag]
    assert not {"style", "iframe", "object", "embed"} & {name for name, _ in page.tags}


def test_every_anchor_is_there_once(page):
    names = [tag["id"] for _, tag in page.tags if "id" in tag]
    assert len(names) == len(set(names))
    targets = {tag["href"][1:] for _, tag in page.tags if tag.get("href", "").startswith("#")}
    assert targets <= set(names)


def test_the_texts_to_copy_are_those_of_the_table_writers(reported, page):
    for table in reported[1].tables:
        # A line break behind the tag is none of the text.
        assert page.texts[f"{table.name}-md"].removeprefix("\n") == table.to_markdown()
        assert page.texts[f"{table.name}-tex"].removeprefix("\n") == table.to_latex()
        assert page.texts[f"{table.name}-csv"].removeprefix("\n") == table.to_csv()
        rows = list(csv.reader(io.StringIO(table.to_csv())))
        assert len(rows) == 1 + len(table.data)


def test_every_figure_is_shown_with_words_for_who_cannot_see_it(reported, page):
    folder = reported[2].parent
    shown = {tag["src"]: tag for name, tag in page.tags if name == "img"}
    assert set(shown) == {f"figures/{path.name}" for path in (folder / "figures").iterdir()}
    for tag in shown.values():
        assert len(tag["alt"]) > 30
        assert int(tag["width"]) > 100
        assert any(tag["src"].startswith(f"figures/{kind}") for kind in KINDS)
    ladder = shown["figures/ladder_test.svg"]["alt"]
    assert any(str(one) in ladder for one in reported[1].sentences if (one.about, one.split) == ("blur", "test"))


def test_the_first_screen_has_the_answer_its_numbers_and_what_qualifies_it(reported):
    text = reported[2].read_text(encoding="utf-8")
    first = text[text.index('id="answer"') : text.index('id="ranking"')]
    first = re.sub(r'<span class="whole">(.*?)</span>', r"\1", first)  # a word that is not broken at its hyphen
    (answer,) = reported[1].main_answers
    for line in (answer.headline, answer.lead, answer.basis, *(one.text for one in answer.sentences)):
        assert line.replace("'", "&#39;") in first, line
    assert "figure6_gradcam_median.svg" in first


def test_the_origin_has_what_the_runs_recorded(reported):
    sweep, _, page = reported
    table = pd.read_csv(page.parent / "tables" / "excluded.csv")
    found = sweep.excluded.groupby(["split", "reason", "label"])["sample"].nunique()
    assert {tuple(row)[:4] for row in table.drop(columns="group").itertuples(index=False)} == {
        (*key, number) for key, number in found.items()
    }
    text = page.read_text(encoding="utf-8")
    assert "python -m xairank.train name=paper" in text
    for value in ("data of hazelnut, split 0, fold 0", "pretrained:efficientnet_b0", "2.9.0", "image_size: 224"):
        assert value in text


def test_the_same_runs_give_the_same_page_and_leftovers_go(reported, tmp_path):
    sweep, results, page = reported
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.svg").write_text("<svg/>")
    again = write_report(sweep, results, tmp_path)
    assert again.read_bytes() == page.read_bytes()
    assert not (tmp_path / "figures" / "old.svg").exists()
    names = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    assert names == {path.relative_to(page.parent) for path in page.parent.rglob("*")}


def test_several_settings_have_an_answer_each(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1, 2], 8, variants=[{"model.beta": 0}, {"model.beta": 1}])
    sweep = read_sweep(folder)
    text = write_report(sweep, make_results(sweep), folder / "report").read_text(encoding="utf-8")
    assert "<h1>2 settings were ranked, and each has its own answer.</h1>" in text
    for beta in (0, 1):
        assert f"<h2>model.beta={beta}: Grad-CAM ranks above" in text
    assert "python -m xairank.train name=s evaluation=overlap model.beta=0 " in text
    assert text.count('class="picture"') == 2 * 2  # of two sets each


def test_a_sweep_without_a_ranked_image_says_so(tmp_path):
    folder = write_fake_sweep(tmp_path / "s", [1], 4)
    path = next(folder.iterdir()) / "scores.parquet"
    pd.read_parquet(path).head(0).to_parquet(path)
    sweep = read_sweep(folder)
    text = write_report(sweep, make_results(sweep), folder / "report").read_text(encoding="utf-8")
    assert f"<h1>{NOTHING_RANKED}</h1>" in text


def test_a_name_that_is_html_is_text(tmp_path):
    folder = write_sweep_with_maps(
        tmp_path / "s", seeds=[1], n_images=8, **{"data.category": "<script>alert(1)</script>"}
    )
    for path in folder.glob("*/run.json"):
        info = json.loads(path.read_text())
        info["methods"]["gradcam"]["label"] = "<b>bold</b>"
        path.write_text(json.dumps(info))
    sweep = read_sweep(folder)
    text = write_report(sweep, make_results(sweep), folder / "report").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;bold" in text


def test_the_command_prints_the_answer_and_the_place(reported):
    sweep, results, page = reported
    arguments = [f"name={sweep.folder.name}", f"folder={sweep.folder.parent}"]
    done = subprocess.run([sys.executable, "-m", "xairank.report", *arguments], capture_output=True, text=True)
    assert done.stdout.splitlines() == [*results.headlines, f"Report: {page}"]
    assert done.returncode == 0
    missing = [sys.executable, "-m", "xairank.report", "name=nothing", arguments[1]]
    done = subprocess.run(missing, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
