"""One person's page: what is asked on the left, what is answered on the right."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import panel as pn

from xairank.attribution import describe_methods
from xairank.dashboard.explaining import Question, explain_image
from xairank.dashboard.fields import MethodFields
from xairank.dashboard.networks import Networks
from xairank.dashboard.options import make_method
from xairank.dashboard.results import Results
from xairank.dashboard.sources import Source
from xairank.dashboard.subject import Subject
from xairank.dashboard.turns import Stopped, Ticket, Turns
from xairank.dashboard.uploads import decoding
from xairank.errors import UserError
from xairank.experiment.explain_config import PREDICTED
from xairank.names import count

logger = logging.getLogger(__name__)
LAYOUT = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
OFFERED = 3  # methods that a new page has chosen, the first ones: the paper's
TOLD = 0.25  # seconds from one word on the progress to the next
_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}


@dataclass
class Desk:
    """What all pages share.

    Attributes:
        sources: Finds the networks that can be chosen, by name.
        entries: Of ``attribution.methods``; those of a run go before.
        networks: Those in memory.
        turns: The queue before the engine.
    """

    sources: Callable[[], Mapping[str, Callable[[], Source]]]
    entries: Mapping[str, Mapping[str, Any]]
    networks: Networks
    turns: Turns


class Page:
    """The widgets of one page, and what they do.

    Args:
        desk: What all pages share.
        is_there: Whether somebody still looks at the page.
    """

    def __init__(self, desk: Desk, is_there: Callable[[], bool]) -> None:
        self._desk, self._is_there, self._ticket = desk, is_there, Ticket()
        self._sources = desk.sources()
        self._entries: Mapping[str, Any] = {}
        self._labels: dict[str, str] = {}
        self._forms: dict[str, MethodFields] = {}
        self._status = pn.pane.HTML("", **_WIDE)
        self._results = Results()
        self._network = pn.widgets.Select(label="Network", options=list(self._sources), **_WIDE)
        self._target = pn.widgets.Select(label="Class that is explained", **_WIDE)
        self._subject = Subject(self._say)
        self._methods = pn.widgets.CheckBoxGroup(label="Methods")
        self._options_of = pn.widgets.Select(label="Options of", **_WIDE)
        self._options = pn.Column(**_WIDE)
        self._explain = pn.widgets.Button(label="Explain", color="primary")
        self._stop = pn.widgets.Button(label="Stop", disabled=True)
        self._network.param.watch(lambda _: self._choose_network(), "value")
        self._methods.param.watch(lambda _: self._choose_methods(), "value")
        self._options_of.param.watch(lambda _: self._show_options(), "value")
        self._explain.on_click(self._answer)
        self._stop.on_click(lambda _: self._end())
        self._choose_network()

    def layout(self) -> pn.Template:
        """The page as the browser gets it."""
        page = pn.Template(LAYOUT)
        methods = pn.Column(
            self._methods, height=200, scroll="y-auto", margin=(0, 10, 10, 10), css_classes=["framed"], **_WIDE
        )
        page.add_panel(
            "controls",
            pn.Column(
                self._subject.controls,
                self._network,
                self._target,
                pn.pane.HTML("<h2>Methods</h2>"),
                methods,
                self._options_of,
                self._options,
                **_WIDE,
            ),
        )
        page.add_panel("actions", pn.Row(self._explain, self._stop))
        page.add_panel("status", self._status)
        page.add_panel("results", pn.Column(self._subject.canvas, self._results.column, **_WIDE))
        return page

    def close(self) -> None:
        """Ends what nobody looks at any more."""
        self._desk.turns.stop(self._ticket)

    def _end(self) -> None:
        """Ends an explanation; the next one begins after the batch that is being computed."""
        self._stop.disabled = True
        self._desk.turns.stop(self._ticket)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self._status.object = f"<p class='bad'>{escape(text)}</p>" if bad else f"<p>{escape(text)}</p>" if text else ""

    def _choose_network(self) -> None:
        try:
            source = self._sources[self._network.value]()
            self._offer({**source.entries, **{k: v for k, v in self._desk.entries.items() if k not in source.entries}})
        except UserError as error:
            self._say(str(error), bad=True)
            return
        classes = {name: name for name in source.classes}
        self._target.param.update(options={"the predicted one": PREDICTED, **classes}, value=PREDICTED)

    def _offer(self, entries: Mapping[str, Any]) -> None:
        """Offers methods with their options; what was typed stays where the entries are the same.

        Raises:
            UserError: A method cannot be made.
        """
        if entries == self._entries:
            return
        facts = describe_methods({name: make_method(name, entry, {}) for name, entry in entries.items()})
        self._labels = {name: some.label for name, some in facts.items()}
        self._forms = {name: MethodFields(self._labels[name], entry) for name, entry in entries.items()}
        chosen = [name for name in self._methods.value if name in entries] or list(entries)[:OFFERED]
        self._entries = entries
        self._methods.param.update(options={label: name for name, label in self._labels.items()}, value=chosen)
        self._choose_methods()

    def _choose_methods(self) -> None:
        chosen = {self._labels[name]: name for name in self._methods.value}
        value = (
            self._options_of.value if self._options_of.value in chosen.values() else next(iter(chosen.values()), None)
        )
        self._options_of.param.update(options=chosen, value=value, disabled=not chosen)
        self._show_options()

    def _show_options(self) -> None:
        form = self._forms.get(self._options_of.value)
        self._options.objects = [form.column] if form else []

    def _question(self) -> Question:
        """What the widgets say, decoded.

        Raises:
            UserError: Something is missing, or not allowed.
        """
        source = self._sources[self._network.value]()
        if not self._methods.value:
            raise UserError("Methods: none is chosen; tick one at least")
        methods = {name: self._forms[name].method() for name in self._methods.value}
        image, mask = self._subject.seen(source.view)
        return Question(source, self._subject.name, image, mask, self._target.value, methods)

    async def _answer(self, _event: object) -> None:
        """Explains, and shows what comes, until all is there or the person has seen enough."""
        self._ticket = ticket = Ticket()
        self._explain.disabled, self._stop.disabled = True, False
        try:
            question = await decoding(self._question)
            async with self._desk.turns.turn(ticket, self._tell_place):
                self._results.start(question)
                await self._run(question, ticket)
        except Stopped:
            self._say("Stopped. What was finished is shown.")
        except UserError as error:
            self._say(str(error), bad=True)
        except Exception as error:  # of a method or a network of somebody's own
            logger.exception("An explanation failed")
            self._say(f"This failed: {type(error).__name__}: {error}; the terminal says more", bad=True)
        finally:
            self._explain.disabled, self._stop.disabled = False, True

    async def _run(self, question: Question, ticket: Ticket) -> None:
        passes, started = 0, time.perf_counter()

        def before(images: int) -> None:
            nonlocal passes
            ticket.check()
            passes += images

        steps = explain_image(self._desk.networks, question, before)
        for done in itertools.count():
            ticket.work = step = asyncio.ensure_future(asyncio.to_thread(next, steps, None))
            while not step.done():
                if not self._is_there():
                    self._desk.turns.stop(ticket)
                ticket.check()
                self._tell_progress(done, len(question.methods) + 1, passes, time.perf_counter() - started)
                await asyncio.wait({step}, timeout=TOLD)
            found = step.result()
            if found is None:
                break
            self._results.add(found)
        self._say(f"Done in {time.perf_counter() - started:.1f} s.")

    def _tell_place(self, before: int) -> None:
        self._say(f"Waiting: {count(before, 'explanation')} before yours.")

    def _tell_progress(self, done: int, total: int, passes: int, seconds: float) -> None:
        self._status.object = (
            f"<progress value='{done}' max='{total}' aria-label='Progress'></progress>"
            f"<p>Explaining: step {done + 1} of {total}, {count(passes, 'image')} sent through the network in "
            f"{seconds:.0f} s.</p>"
        )
