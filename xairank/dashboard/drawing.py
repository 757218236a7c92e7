"""Drawing a mask: the image under Plotly's drawing tools, and the pixels of what was drawn."""

import io
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xairank.data.images import Size, View
from xairank.data.masks import view_mask
from xairank.errors import UserError

Shapes = list[dict[str, Any]]
SIDE = 640  # pixels of the image that is drawn on; what is drawn is in pixels of the whole one
TOOLS = {"modeBarButtons": [["drawclosedpath", "drawrect", "eraseshape"]], "displayModeBar": True, "displaylogo": False}
_LINE = "#e69f00"  # is seen on light and on dark ground


def canvas(image: Image.Image) -> go.Figure:
    """A figure whose axes are the image's pixels; dragging draws a closed line."""
    width, height = image.size
    small = image.copy()
    small.thumbnail((SIDE, SIDE))
    figure = go.Figure()
    figure.add_layout_image(
        source=as_uri(small), x=0, y=0, sizex=width, sizey=height, xref="x", yref="y", sizing="stretch", layer="below"
    )
    figure.update_xaxes(range=[0, width], visible=False, constrain="domain")
    figure.update_yaxes(range=[height, 0], visible=False, scaleanchor="x", constrain="domain")
    figure.update_layout(
        dragmode="drawclosedpath",
        newshape={"line": {"color": _LINE, "width": 2}, "fillcolor": _LINE, "opacity": 0.5},
        margin={"l": 0, "r": 0, "t": 32, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def shapes_after(shapes: Shapes, change: Mapping[str, Any] | None) -> Shapes:
    """The shapes after what Plotly tells of a change: all of them, or single values of one that was moved."""
    change = change or {}
    if "shapes" in change:
        return [dict(shape) for shape in change["shapes"]]
    changed = [dict(shape) for shape in shapes]
    for key, value in change.items():
        if (match := re.fullmatch(r"shapes\[(\d+)\]\.(\w+)", key)) and int(match[1]) < len(changed):
            changed[int(match[1])][match[2]] = value
    return changed


def mask_of(shapes: Shapes, size: Size) -> NDArray[np.bool_]:
    """The pixels (height, width) inside any of the shapes of an image of a size (width, height).

    At the line it is right to a pixel.
    """
    found = Image.new("1", size)
    draw = ImageDraw.Draw(found)
    for shape in shapes:
        corners = _corners(shape)
        if len(corners) > 2:
            draw.polygon([(x - 0.5, y - 0.5) for x, y in corners], fill=1)
    return np.asarray(found)


def drawn_mask(shapes: Shapes, size: Size, view: View) -> NDArray[np.bool_] | None:
    """What was drawn, in a network's view, (S, S); None where nothing was.

    Raises:
        UserError: It covers the whole image.
    """
    mask = mask_of(shapes, size)
    if not mask.any():
        return None
    if mask.all():
        raise UserError("the drawn mask covers the whole image, so that every explanation would lie on it; draw less")
    return view_mask(mask, view).mask


def as_uri(image: Image.Image) -> str:
    """An image as a page holds it, in PNG."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"


def _corners(shape: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Of a closed line ``M1,2L3,4Z``, or of a rectangle."""
    if shape.get("path"):
        return [(float(x), float(y)) for x, y in re.findall(r"[ML]\s*(-?[\d.e+-]+)[,\s]+(-?[\d.e+-]+)", shape["path"])]
    left, right, top, bottom = (float(shape[key]) for key in ("x0", "x1", "y0", "y1"))
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
