"""How docstrings read in the documentation: roles plain, examples as code; an extension that ``mkdocs.yml`` names."""

import re
from typing import Any

from griffe import Extension, Object


class Documented(Extension):
    """Turns what docstrings have of Sphinx into the Markdown that the pages are made of."""

    def on_object(self, *, obj: Object, **_: Any) -> None:  # noqa: ANN401
        """Changes the docstring of whatever has one."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """A docstring without roles, its examples in a section that is shown as code.

    Example:
        >>> as_markdown("See :func:`xairank.adapt` and :class:`~a.b.C`.")
        'See `xairank.adapt` and `C`.'
    """

    def plain(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"`{name.rpartition('.')[2] if name.startswith('~') else name}`"

    without_roles = re.sub(r":\w+:`([^`]+)`", plain, docstring)
    return re.sub(r"^Example:$", "Examples:", without_roles, flags=re.MULTILINE)
