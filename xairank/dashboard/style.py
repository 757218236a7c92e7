"""How widgets look: quiet, in the page's colours, which follow the light or dark of the reader's system."""

from pathlib import Path
from typing import Any, ClassVar

from panel.theme.base import Inherit
from panel.theme.native import Native
from panel.viewable import Viewable

WIDGETS = (Path(__file__).parent / "widgets.css").read_text(encoding="utf-8")


class Quiet(Native):
    """Panel's native widgets with one more style sheet."""

    modifiers: ClassVar[dict[type[Viewable], dict[str, Any]]] = {Viewable: {"stylesheets": [Inherit, WIDGETS]}}
