"""What is explained: the image and its mask, dropped or drawn, and what is said of them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
import panel as pn
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import ImageOps

from xairank.dashboard.drawing import TOOLS, Shapes, as_uri, canvas, drawn_mask, shapes_after
from xairank.dashboard.dropper import Dropper, Given, Upload
from xairank.dashboard.uploads import Picture, decoding, read_mask_of, read_picture, see_image
from xairank.data.images import View
from xairank.errors import UserError

PREVIEW = (280, 120)  # pixels of the small picture, at most
NONE, FILE, DRAWN = "none", "a file", "drawn on the image"


class Say(Protocol):
    """Tells the person something."""

    def __call__(self, text: str, *, bad: bool = False) -> None:
        """Shows a line, as a mistake where it is one."""


class Subject:
    """The widgets of the image and its mask.

    Args:
        say: Tells the person something.

    Attributes:
        controls: Where files are dropped.
        canvas: Where a mask is drawn.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._picture: Picture | None = None
        self._mask: Upload | None = None
        self._shapes: Shapes = []
        self._plot_of: Picture | None = None
        self._latest: Given | None = None
        self._image_file = Dropper(_scheduled(self._take_image), label="Image")
        self._mask_file = Dropper(_scheduled(self._take_mask), label="Mask of the defect", visible=False)
        self._kind = pn.widgets.Select(label="Mask", options=[NONE, FILE, DRAWN], sizing_mode="stretch_width")
        self._plot = pn.pane.Plotly(go.Figure(), config=TOOLS, height=420, max_width=560, sizing_mode="stretch_width")
        again = pn.widgets.Button(label="Draw anew")
        again.on_click(lambda _: self._clear())
        heading = pn.pane.HTML(
            "<h2>Draw the defect</h2><p class='quiet'>Drag around it; several times, if it has parts."
        )
        self.controls = pn.Column(self._image_file, self._kind, self._mask_file, sizing_mode="stretch_width")
        self.canvas = pn.Column(heading, self._plot, again, visible=False, sizing_mode="stretch_width")
        self._kind.param.watch(lambda _: self._show(), "value")
        self._plot.param.watch(self._draw, "relayout_data")

    @property
    def name(self) -> str:
        """What the image is called."""
        return self._picture.name if self._picture else ""

    def seen(self, view: View) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """What a network sees of the image (S, S, 3) and of the mask (S, S); None where there is none.

        Raises:
            UserError: There is no image, or the mask is not one of it.
        """
        if self._picture is None:
            raise UserError("Image: none is there; drop one, or choose a file")
        mask = None
        if self._kind.value == FILE:
            if self._mask is None:
                raise UserError("Mask: none is there; drop its file, or choose Mask: none")
            mask = read_mask_of(self._picture, self._mask, view)
        elif self._kind.value == DRAWN:
            mask = drawn_mask(self._shapes, self._picture.image.size, view)
        return see_image(self._picture, view), mask

    async def _take_image(self, given: Given) -> None:
        """Decodes an image away from the loop that serves the other pages."""
        self._latest = given
        self._picture, self._shapes = None, []
        self._image_file.param.update(shown="", preview="")
        try:
            if isinstance(given, UserError):
                raise given
            self._say(f"Reading {given.name} ...")
            picture, preview = await decoding(partial(_read, given))
            if given is not self._latest:
                return  # another one was dropped meanwhile
            self._picture = picture
            width, height = picture.image.size
            self._say(f"{given.name}: {width:,} x {height:,} pixels.")
            self._image_file.param.update(shown=given.name, preview=preview)
        except UserError as error:
            self._say(str(error), bad=True)
        self._show()

    async def _take_mask(self, given: Given) -> None:
        refused = isinstance(given, UserError)
        self._mask = None if isinstance(given, UserError) else given
        self._mask_file.shown = self._mask.name if self._mask else ""
        self._say(str(given) if isinstance(given, UserError) else "", bad=refused)

    def _show(self) -> None:
        """Shows the fields that the choice of the mask needs."""
        self._mask_file.visible = self._kind.value == FILE
        self.canvas.visible = self._kind.value == DRAWN and self._picture is not None
        if self.canvas.visible and self._plot_of is not self._picture:
            self._clear()

    def _clear(self) -> None:
        """Shows the image with nothing drawn on it."""
        if self._picture is not None:
            self._plot_of, self._shapes = self._picture, []
            self._plot.object = canvas(self._picture.image)

    def _draw(self, _event: object) -> None:
        self._shapes = shapes_after(self._shapes, self._plot.relayout_data)


def _read(upload: Upload) -> tuple[Picture, str]:
    """A picture, and a small one as a page holds it.

    Raises:
        UserError: It is none.
    """
    picture = read_picture(upload)
    return picture, as_uri(ImageOps.contain(picture.image, PREVIEW))


def _scheduled(take: Callable[[Given], Any]) -> Callable[[Given], None]:
    """A coroutine as what a widget calls, on the page's own turn."""
    return lambda given: pn.state.execute(partial(take, given))
