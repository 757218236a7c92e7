"""``python -m xairank.data download|verify|check|weights|example``: data and weights, had and checked."""

import sys
from pathlib import Path

from xairank.console import ConsoleMonitor, command, parse_arguments, print_error, print_line, tracker
from xairank.errors import UserError
from xairank.files import expand_user

DOWNLOAD = """\
python -m xairank.data download [category=hazelnut] [root=data/mvtec]
    Downloads MVTec AD (CC BY-NC-SA 4.0), or takes an archive placed in root, and unpacks the category."""
VERIFY = """\
python -m xairank.data verify [category=hazelnut] [root=data/mvtec]
    Compares every file of the category with its manifest.csv; lists what is missing, changed or extra."""
CHECK = """\
python -m xairank.data check [category=...] [root=...] [table=...] [images=... masks=...]
    Reads any data set: shows what it holds, and lists everything that is wrong with it."""
WEIGHTS = """\
python -m xairank.data weights [encoder=efficientnet_b0] [file=PATH]
    Downloads an encoder's ImageNet weights to data/weights, where training finds them without a network; or to file,
    for model.encoder_weights. A file copied to data/weights by hand is found too."""
EXAMPLE = """\
python -m xairank.data example [folder=example]
    Renders 120 small images of nuts in three classes, and masks of their defects, to try things out."""
USAGE = "\n".join((DOWNLOAD, VERIFY, CHECK, WEIGHTS, EXAMPLE))


@command
def main() -> None:
    """Runs a subcommand."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print(USAGE)
    elif name == "check":
        from xairank.data.check import main as check

        check(arguments)
    elif name == "download":
        from xairank.data.download import download_category

        root, category = parse_place(arguments, DOWNLOAD)
        if (root / category).exists():
            raise UserError(f"{root / category}: already exists; delete it to download it again")
        print_line(f"Ready: {download_category(root, category, ConsoleMonitor())}")
    elif name == "verify":
        verify(*parse_place(arguments, VERIFY))
    elif name == "weights":
        weights(arguments)
    elif name == "example":
        example(arguments)
    else:
        raise UserError(f"{name}: no such command; expected download, verify, check, weights or example")


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
        print_line(f"{folder}: every file is unchanged")
    else:
        known = len(ORIGINALS[category])
        print_line(f"{folder}: no {NAME}: only the {known} files whose hashes are known were compared; they match")


def weights(arguments: list[str]) -> None:
    """Downloads an encoder's weights, unless they are there."""
    options = parse_arguments(arguments, ("encoder", "file"), usage=WEIGHTS, example="encoder=resnet50")
    from xairank.models.encoder import check_encoder
    from xairank.models.weights import download_weights, find_weights

    encoder = options.get("encoder", "efficientnet_b0")
    check_encoder(encoder)
    file = expand_user(options["file"]) if "file" in options else None
    there = file if file and file.exists() else None if file else find_weights(encoder)
    path = there or download_weights(encoder, file=file, monitor=ConsoleMonitor())
    print_line(f"{'Already there' if there else 'Ready'}: {path}")


def example(arguments: list[str]) -> None:
    """Renders the example."""
    options = parse_arguments(arguments, ("folder",), usage=EXAMPLE, example="folder=example")
    from xairank.data.example import write_example

    folder = expand_user(options.get("folder", "example"))
    write_example(folder, track=tracker("Rendering images"))
    print_line(f"Ready: {folder}/images and {folder}/masks; the classes are good, hole and print")


def parse_place(arguments: list[str], usage: str) -> tuple[Path, str]:
    """Root and category from ``key=value`` arguments.

    Raises:
        UserError: A key does not exist, or an argument has no value.
    """
    given = parse_arguments(arguments, ("category", "root"), usage=usage, example="category=hazelnut")
    options = {"category": "hazelnut", "root": "data/mvtec", **given}
    return expand_user(options["root"]), options["category"]


if __name__ == "__main__":
    main()
