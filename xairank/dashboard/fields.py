"""The form of a method's options."""

from collections.abc import Mapping
from typing import Any

import panel as pn

from xairank.attribution import AttributionMethod
from xairank.dashboard.options import Option, make_method, options_of, parse, shown


class MethodFields:
    """A field for each option of a method.

    Args:
        label: What people call the method.
        entry: Of ``attribution.methods``.

    Attributes:
        column: The fields, under one another.
    """

    def __init__(self, label: str, entry: Mapping[str, Any]) -> None:
        self._label, self._entry = label, entry
        self._options = options_of(entry)
        self._fields = [_field(option) for option in self._options]
        self.column = pn.Column(*self._fields, sizing_mode="stretch_width")

    def method(self) -> AttributionMethod:
        """The method with what the fields say; a field that was left as it was says nothing.

        Raises:
            UserError: A value is not allowed.
        """
        values = {
            option.name: field.value if option.choices else parse(field.value)
            for option, field in zip(self._options, self._fields, strict=True)
            if field.value != shown(option.value)
        }
        return make_method(self._label, self._entry, values)


def _field(option: Option) -> pn.widgets.Widget:
    if option.choices:
        return pn.widgets.Select(
            label=option.label, options=list(option.choices), value=option.value, sizing_mode="stretch_width"
        )
    label = option.label if option.most is None else f"{option.label}, at most {option.most:,}"
    return pn.widgets.TextInput(label=label, value=shown(option.value), sizing_mode="stretch_width")
