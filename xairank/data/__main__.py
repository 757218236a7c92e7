"""``python -m xairank.data download|verify|check``: get a data set, verify it, look through it."""

import sys
from pathlib import Path

from xairank.config import unknown_key
from xairank.console import command, console, print_error
from xairank.errors import UserError
from xairank.files import expand_user

USAGE = """\
python -m xairank.data download [category=hazelnut] [root=data/mvtec]
    Downloads MVTec AD (CC BY-NC-SA 4.0), or takes an archive that lies in root, and unpacks the category.
python -m xairank.data verify [category=hazelnut] [root=data/mvtec]
    Compares every file of the category with its manifest.csv; lists what is missing, changed or too many.
python -m xairank.data check [category=...] [root=...] [table=...] [images=... masks=...]
    Looks through any data set: what it holds, and everything that is wrong with it."""


@command
def main() -> None:
    """Runs a sub-command."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name == "check":
        from xairank.data.check import main as check

        check(arguments)
    elif name in ("--help", "-h") or "--help" in arguments or "-h" in arguments:
        print(USAGE)
    elif name == "download":
        from xairank.data.download import download_category

        root, category = parse_place(arguments)
        if (root / category).exists():
            raise UserError(f"{root / category}: is there already; delete it to get it anew")
        folder = download_category(root, category)
        console.print(f"Ready: {folder}", highlight=False, soft_wrap=True)
    elif name == "verify":
        verify(*parse_place(arguments))
    else:
        raise UserError(f"{name}: no such command; expected download, verify or check")


def verify(root: Path, category: str) -> None:
    """Prints what differs from the manifest."""
    from xairank.data.manifest import NAME, ORIGINALS, faults

    folder = root / category
    found = faults(folder)
    for message in found:
        print_error(UserError(message))
    if found:
        sys.exit(2)
    if (folder / NAME).is_file():
        told = "every file is as it should be"
    else:
        told = f"no {NAME}: only the {len(ORIGINALS[category])} files whose hashes are known were compared; they match"
    console.print(f"{folder}: {told}", highlight=False, soft_wrap=True)


def parse_place(arguments: list[str]) -> tuple[Path, str]:
    """Root and category from ``key=value`` arguments.

    Raises:
        UserError: A key does not exist, or an argument has no value.
    """
    options = {"category": "hazelnut", "root": "data/mvtec"}
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in options:
            raise UserError(unknown_key(key, options))
        if not value:
            raise UserError(f"{argument}: found no value; expected key=value, for example category=hazelnut")
        options[key] = value
    return expand_user(options["root"]), options["category"]


if __name__ == "__main__":
    main()
