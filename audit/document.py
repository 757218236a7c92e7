"""Writes the document from the gathered results.

python -m audit.document          # docs/audit.md, docs/audit_tests.md, docs/images/audit/, and the README's headline
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from audit import claims, verdicts
from audit.answers.answer import Answer, Finish
from audit.answers.randomised import randomised_data
from audit.collect import RESULTS, read_results
from audit.grid import PRETRAINED, grid
from audit.headline import headline, with_headline
from audit.ledger import LARGER, NOT_SHOWN, SMALLER, Decision, Ledger, p_value
from audit.picture import CAPTION, draw_headline
from audit.sections import MODULES, sections
from audit.study import DATA, GRADCAM, IN_A_SENTENCE, METRIC, REAL, Study, means, of
from xairank.console import command, print_line
from xairank.figures.style import save
from xairank.files import write_text
from xairank.names import count, in_words

DOCS = Path(__file__).parents[1] / "docs"
README = DOCS.parent / "README.md"
TEMPLATE = Path(__file__).with_name("document.md.jinja")


@command
def main() -> None:
    """Writes the document."""
    parser = argparse.ArgumentParser("python -m audit.document", description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the tables (default audit/results)")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the document (default docs)")
    arguments = parser.parse_args()
    study = Study(read_results(arguments.results))
    sentence = write_document(study, arguments.out)
    print_line(f"{arguments.out / 'audit.md'}: written")
    if arguments.out.resolve() == DOCS:
        write_text(README, with_headline(README.read_text(encoding="utf-8"), sentence))


def write_document(study: Study, folder: Path) -> str:
    """Writes ``audit.md``, ``audit_tests.md`` and the figures.

    Args:
        study: What was found.
        folder: Of the documentation.

    Returns:
        The headline.
    """
    answers, decisions = answer(study)
    figures = {name: some.figure for name, some in answers.items()}
    if headline(answers):
        figures["headline"] = draw_headline(study)
    (folder / "images" / "audit").mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, folder / "images" / "audit" / name, ["svg"])
    write_text(folder / "audit.md", render(study, answers, decisions))
    write_text(folder / "audit_tests.md", list_tests(decisions))
    return headline(answers)


def answer(study: Study) -> tuple[dict[str, Answer], Mapping[str, Decision]]:
    """The answers to the questions that the results can answer, and all tests."""
    ledger = Ledger()
    finishing: dict[str, Finish] = {
        name: module.ask(study, ledger) for name, module in MODULES.items() if _known(study, name)
    }
    decisions = ledger.decide()
    return {name: finish(decisions) for name, finish in finishing.items()}, decisions


def _known(study: Study, name: str) -> bool:
    """Whether there are results for a question."""
    if name == "randomised":
        return bool(randomised_data(study))
    if name == "rendered":
        return {"hazelnut", "rendered35"} <= set(study.data()) or {"hazelnut", "rendered"} <= set(study.data())
    return bool(study.data())


def render(study: Study, answers: Mapping[str, Answer], decisions: Mapping[str, Decision]) -> str:
    """The document as Markdown."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        answers=answers,
        sections=sections(),
        claims=claims.judge(answers),
        words=verdicts,
        n_real=len(study.data(REAL)),
        n_tests=sum(decision.verdict in (LARGER, SMALLER, NOT_SHOWN) for decision in decisions.values()),
        data=_data(study),
        encoder=PRETRAINED[0].partition("=")[2],
        machine=_machine(study),
        dirty=int(study.tables["runs"]["git_revision"].str.endswith("-dirty").sum()),
        means=_two_means(study),
        encoders=[cell.data.name for cell in grid() if (cell.data.name, "encoder") in study.cells],
        cost=_cost(study),
        cells=_cells(study),
        headline=headline(answers),
        caption=CAPTION,
    )


def _data(study: Study) -> list[dict[str, Any]]:
    sets = {cell.data.name: cell.data for cell in grid()}
    rows = []
    for name in study.data():
        runs = study.runs(name)
        accuracy = runs["test_balanced_accuracy"]
        size = f"{sets[name].images}, {sets[name].defects} with a defect"
        shown = f"{accuracy.mean():.2f} ± {accuracy.std(ddof=0):.2f}"
        seeds = f"{count(runs['seed'].nunique(), 'seed')} x {count(runs['fold'].nunique(), 'fold')}"
        rows.append({"label": DATA[name], "size": size, "epochs": sets[name].epochs, "runs": seeds, "accuracy": shown})
    return rows


def _two_means(study: Study) -> str:
    """Grad-CAM's overlap averaged by seed and by case, where the two differ most."""
    found = {}
    for name in study.data():
        scores = of(study.scores(name), GRADCAM)
        by_seed = scores.groupby(["seed", "case"])[METRIC].mean().groupby("seed").mean()
        found[name] = float(by_seed.mean()), float(means(scores)[GRADCAM])
    name = max(found, key=lambda name: abs(found[name][0] - found[name][1]))
    return f"{IN_A_SENTENCE[name]}: Grad-CAM's overlap is {found[name][0]:.2f} by seed and {found[name][1]:.2f} by case"


def _machine(study: Study) -> str:
    devices = study.tables["runs"]["device"].map(_device).value_counts()
    return in_words([f"{count(int(number), 'run')} on {device}" for device, number in devices.items()])


def _device(name: str) -> str:
    return "a CPU" if name == "cpu" else "a GPU"


def _cells(study: Study) -> list[dict[str, Any]]:
    """Which runs of each cell are here, and on what they ran."""
    rows = []
    for cell in grid():
        runs = study.runs(cell.data.name, cell.switch)
        row = {"key": cell.key, "here": len(runs), "planned": len(cell.seeds) * len(cell.folds)}
        devices = in_words(sorted(set(runs["device"].map(_device)))) or "-"
        seconds = f"{runs['seconds'].mean():.0f}" if len(runs) else "-"
        rows.append({**row, "device": devices, "seconds": seconds})
    return rows


def _cost(study: Study) -> str:
    """What the grid cost so far."""
    runs = study.tables["runs"]
    cells = list(grid())
    planned = sum(len(cell.seeds) * len(cell.folds) for cell in cells)
    here = f"{len(runs)} are here, {runs['seconds'].sum() / 3600:.1f} process hours of training and explaining"
    return f"The grid has {count(len(cells), 'cell')} and {planned} runs, of which {here}."


def list_tests(decisions: Mapping[str, Decision]) -> str:
    """All tests of the document as Markdown."""
    lines = [
        "# The tests of the audit",
        "",
        "What [the audit](audit.md) tests, corrected together by Holm, and what it estimates only; the number in",
        "front is the question. p is the larger of Wilcoxon's and the two-way test's. Detectable: the least",
        "difference that would be found with 80 % probability at the level that the correction asks of the smallest p.",
        "",
        "| Test | Difference | p | Cases | Seeds | Detectable | Verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, one in decisions.items():
        p = p_value(one.p).removeprefix("p = ").removeprefix("p ") if one.p == one.p else "-"
        seen = "-" if one.detectable != one.detectable else f"{one.detectable:.2f}" if one.detectable <= 1 else "> 1"
        lines.append(f"| {name} | {one.cell} | {p} | {one.n_cases} | {one.n_seeds} | {seen} | {one.verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
