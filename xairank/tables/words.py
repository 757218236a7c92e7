"""What tables say in words: the conclusion, and what a reader must know who goes no further."""

from dataclasses import dataclass

# What a sentence is about, in the order in which a reader needs it.
ABOUT = {
    "methods": "Methods",
    "images": "Images",
    "chance": "Chance",
    "controls": "Controls",
    "metric": "Metric",
    "blur": "Blur",
    "reliance": "Reliance",
    "randomisation": "Randomisation",
    "defects": "Kinds of defect",
}
# What it does to the conclusion: is it, qualifies it, supports it, or says that something was not looked at.
CONCLUSION, CAUTION, SUPPORT, UNKNOWN = "conclusion", "caution", "support", "unknown"


@dataclass(frozen=True)
class Sentence:
    """Something that is shown of one group and split, or is not.

    Attributes:
        group: The name of the group.
        split: The split.
        where: Both in words.
        about: A key of :data:`ABOUT`.
        weight: ``conclusion``, ``caution``, ``support`` or ``unknown``.
        text: The sentence.
        clause: What a headline must add, without which it would mislead; empty where nothing is to be added.
    """

    group: str
    split: str
    where: str
    about: str
    weight: str
    text: str
    clause: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"
