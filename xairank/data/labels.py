"""Names of classes that can be used: each is a column of tables and a part of file names."""

import unicodedata
from collections.abc import Mapping

from xairank.data.faults import Faults
from xairank.schema import GOOD, SPLITS

# A table has a column for all classes together; a split's name is the beginning of samples' keys.
RESERVED = ("overall", *SPLITS)


def check_labels(places: Mapping[str, str], faults: Faults) -> None:
    """Adds a fault for each class whose name is taken, or too like another one's.

    Args:
        places: Where each class is first found, by its name: a folder or a row of a table.
        faults: Takes one for each such class.
    """
    seen = {_key(GOOD): GOOD}
    for label, place in places.items():
        key = _key(label)
        other = seen.setdefault(key, label)
        if key in RESERVED:
            faults.add(
                f"{place}: the class name {label!r} is reserved (as are {', '.join(RESERVED)}); rename the class"
            )
        elif label != label.strip():
            faults.add(f"{place}: the class name {label!r} begins or ends with white space; rename the class")
        elif other != label:
            what = "case" if label.casefold() == other.casefold() else "white space or spelling of letters"
            faults.add(f"{place}: the class name {label!r} differs from {other!r} in {what} only; rename one of them")


def _key(label: str) -> str:
    """What is the same for names that people and file systems may take for one."""
    return "".join(unicodedata.normalize("NFKC", label).casefold().split())
