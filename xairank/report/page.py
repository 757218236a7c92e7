"""Writes the report of a sweep: a page, a script, a style sheet, and the tables and figures as files beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from xairank.figures.style import method_styles
from xairank.files import write_text
from xairank.names import count
from xairank.progress import Track, untracked
from xairank.report.drawings import FOLDER as FIGURES
from xairank.report.drawings import Drawing, draw_all
from xairank.report.gallery import GalleryFacts, write_gallery
from xairank.report.origin import excluded_table, origin_table, origins
from xairank.report.picture import picture_of
from xairank.report.rendering import environment
from xairank.report.sections import in_sections
from xairank.runs.group import Group, all_methods
from xairank.runs.sweep import Sweep
from xairank.tables.answer import Answer
from xairank.tables.collection import NOTHING_RANKED, Results
from xairank.tables.table import Table

PAGE = "index.html"
TABLES = "tables"
_ASSETS = Path(__file__).parent / "assets"


WriteGallery = Callable[[Path, Sequence[Group]], GalleryFacts]


def write_report(
    sweep: Sweep,
    results: Results,
    folder: Path,
    track: Track = untracked,
    write_gallery: WriteGallery = write_gallery,
) -> Path:
    """Writes the report.

    Args:
        sweep: What it reports.
        results: Its tables and answers.
        folder: Where to; files of an earlier report there are replaced.
        track: Told which figures are drawn.
        write_gallery: Writes the gallery of images into the folder.

    Returns:
        The page, which opens from disk.
    """
    drawings, left_out = draw_all(sweep, results.answers, folder, track)
    tables = [*results.tables, origin_table(sweep.groups), excluded_table(sweep.groups)]
    for table in tables:
        table.write(folder / TABLES)
    _remove_others(folder / TABLES, [f"{table.name}.{suffix}" for table in tables for suffix in ("csv", "md", "tex")])
    _remove_others(folder / FIGURES, [f"{drawing.name}.svg" for drawing in drawings])
    for asset in sorted(_ASSETS.iterdir()):
        write_text(folder / asset.name, asset.read_text(encoding="utf-8"))
    gallery = write_gallery(folder, sweep.groups)
    write_text(folder / PAGE, _render(sweep, results, tables, drawings, left_out, gallery))
    return folder / PAGE


def _render(
    sweep: Sweep,
    results: Results,
    tables: Sequence[Table],
    drawings: Sequence[Drawing],
    left_out: Sequence[str],
    gallery: GalleryFacts,
) -> str:
    styles = method_styles(all_methods(sweep.groups))
    main = results.main_answers
    return (
        environment()
        .get_template("index.html")
        .render(
            name=sweep.folder.resolve().name,
            category=sweep.groups[0].config["data"].get("category") or "defects",
            headline=_title(main),
            answers=main,
            others=[answer for answer in results.answers if answer not in main],
            pictures={id(answer): picture_of(answer, styles) for answer in results.answers},
            example=_example(drawings, main),
            sections=in_sections(tables, drawings),
            origins=origins(sweep.groups),
            left_out=left_out,
            gallery=gallery,
            shows_gallery=bool(gallery.scripts),
        )
    )


def _title(answers: Sequence[Answer]) -> str:
    if len(answers) > 1:
        return f"{count(len(answers), 'setting')} were ranked, and each has its own answer."
    return answers[0].headline if answers else NOTHING_RANKED


def _example(drawings: Sequence[Drawing], answers: Sequence[Answer]) -> Drawing | None:
    """The median image of the first method: neither a triumph nor a failure."""
    if not answers:
        return None
    start = f"figure6_{answers[0].rows[0]['method']}_median{answers[0].group.suffix}"
    return next((drawing for drawing in drawings if drawing.name == start), None)


def _remove_others(folder: Path, names: Sequence[str]) -> None:
    """Deletes what an earlier report left behind."""
    for path in folder.glob("*"):
        if path.name not in names:
            path.unlink()
