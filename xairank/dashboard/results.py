"""What a page shows of an explanation, as its steps come."""

from html import escape

import panel as pn
from PIL import Image

from xairank.dashboard.drawing import as_uri
from xairank.dashboard.explaining import Answer, Explained, Question, Relied, Step
from xairank.dashboard.swipe import Swipe
from xairank.explanations.overlay import brightest, picture

_EMPTY = "<p class='quiet'>Drop in an image, then press Explain. With a mask of the defect, maps are scored by it.</p>"
_COLUMNS = ("Method", "Top-K Overlap", "Seconds", "Passes", "Reported")


class Results:
    """The right half of the page.

    Attributes:
        column: All of it.
    """

    def __init__(self) -> None:
        self._said = pn.pane.HTML(_EMPTY, sizing_mode="stretch_width")
        self._table = pn.pane.HTML("", sizing_mode="stretch_width")
        self._maps = pn.Column(css_classes=["maps"], sizing_mode="stretch_width")
        self._left = pn.widgets.Select(label="Left", options=[], sizing_mode="stretch_width")
        self._right = pn.widgets.Select(label="Right", options=[], sizing_mode="stretch_width")
        self._swipe = Swipe(sizing_mode="stretch_width", max_width=560, margin=(5, 10))
        heading = pn.pane.HTML("<h2>Compare two maps</h2>")
        self._comparison = pn.Column(
            heading,
            pn.Row(self._left, self._right, max_width=580, sizing_mode="stretch_width"),
            self._swipe,
            visible=False,
            sizing_mode="stretch_width",
        )
        for select in (self._left, self._right):
            select.param.watch(lambda _: self._compare(), "value")
        self.column = pn.Column(self._said, self._table, self._maps, self._comparison, sizing_mode="stretch_width")
        self._explained: dict[str, tuple[Explained, str]] = {}

    def start(self, question: Question) -> None:
        """Clears the page for an explanation."""
        self._question = question
        self._explained.clear()
        self._chance: float | None = None
        self._said.object = self._table.object = ""
        self._maps.clear()
        self._comparison.visible = False

    def add(self, step: Step) -> None:
        """Shows a step."""
        if isinstance(step, Answer):
            self._chance = step.chance
            self._said.object = _answer(self._question.name, step)
        elif isinstance(step, Relied):
            self._said.object += _reliance(step)
        else:
            self._add_map(step)

    def _add_map(self, step: Explained) -> None:
        drawn = picture(self._question.image, step.map, brightest(step.map), self._question.mask)
        uri = as_uri(drawn)
        self._explained[step.label] = step, uri
        self._table.object = _table([some for some, _ in self._explained.values()], self._chance)
        self._maps.append(_card(self._question.name, step, uri, drawn))
        self._offer()

    def _offer(self) -> None:
        """Offers what can be compared; a choice that was made stays."""
        labels = list(self._explained)
        for select, place in ((self._left, 0), (self._right, 1)):
            chosen = select.value if select.value in labels else labels[min(place, len(labels) - 1)]
            if len(labels) == 2:
                chosen = labels[place]
            select.param.update(options=labels, value=chosen)
        self._comparison.visible = len(labels) > 1
        self._compare()

    def _compare(self) -> None:
        if self._left.value in self._explained and self._right.value in self._explained:
            left, right = self._explained[self._left.value], self._explained[self._right.value]
            self._swipe.param.update(left=left[1], right=right[1], left_name=left[0].label, right_name=right[0].label)


def _answer(name: str, step: Answer) -> str:
    other = "" if step.explained == step.predicted else f" The maps explain <b>{escape(step.explained)}</b>."
    left_out = "".join(
        f"<p class='quiet'>{escape(label)} is left out: it {escape(why)}.</p>" for label, why in step.left_out.items()
    )
    return (
        f"<h2>{escape(name)}: {escape(step.predicted)}</h2>"
        f"<p>The network says <b>{escape(step.predicted)}</b>, with a probability of {step.probability:.1%}.{other}</p>"
        f"{left_out}"
    )


def _reliance(step: Relied) -> str:
    uses = "The network uses the defect" if step.reliance > 0 else "The network does not decide by the defect"
    then = "" if step.reliance > 0 else " A map that does not point at the defect may be right."
    return (
        f"<p>{uses}: reliance {step.reliance:.3g} logits, {step.least:.3g} by the less favourable of two fills. Hiding "
        f"the defect lowers the class's logit by that much more than hiding as many pixels elsewhere.{then}</p>"
    )


def _table(rows: list[Explained], chance: float | None) -> str:
    scored = chance is not None
    names = [name for name in _COLUMNS if scored or name != "Top-K Overlap"]
    lines = ["".join(f"<th scope='col'>{name}</th>" for name in names)]
    for row in rows:
        overlap = f"<td>{row.overlap:.3f}</td>" if row.overlap is not None else ""
        told = "; ".join(f"{words}: {_number(value)}" for words, value in row.diagnostics.items())
        lines.append(
            f"<th scope='row'>{escape(row.label)}</th>{overlap}<td>{row.cost.seconds:.2f}</td>"
            f"<td>{row.cost.passes:,.0f}</td><td class='words'>{escape(told) or '-'}</td>"
        )
    if scored:
        lines.append(
            f"<th scope='row'>A random map</th><td>{chance:.3f}</td><td>-</td><td>-</td><td class='words'>-</td>"
        )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<div class='scroll' tabindex='0' role='region' aria-label='Scores'><table>{body}</table></div>"


def _card(name: str, step: Explained, uri: str, drawn: Image.Image) -> pn.pane.HTML:
    overlap = "" if step.overlap is None else f"overlap {step.overlap:.3f}, "
    caption = f"<b>{escape(step.label)}</b> {overlap}{step.cost.seconds:.2f} s"
    alternative = f"Map of {step.label} over {name}" + ("" if step.overlap is None else f", overlap {step.overlap:.3f}")
    return pn.pane.HTML(
        f"<figure><img src='{uri}' alt='{escape(alternative, quote=True)}' width='{drawn.width}' "
        f"height='{drawn.height}'><figcaption>{caption}</figcaption></figure>",
        sizing_mode="stretch_width",
    )


def _number(value: float | int | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"
