"""What classes are called where people read them, and methods and metrics that do not say it themselves."""


def display_name(name: str) -> str:
    """The name in words: ``integrated_gradients`` is "Integrated gradients"; any name works.

    Example:
        >>> [display_name(name) for name in ("saliency", "faulty_imprint", "_")]
        ['Saliency', 'Faulty imprint', '_']
    """
    words = name.replace("_", " ").split()
    text = " ".join(words) or name
    return text[0].upper() + text[1:] if text else text


def in_words(items: list[str]) -> str:
    """A list as a sentence has it.

    Example:
        >>> in_words(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    Example:
        >>> count(1, "seed"), count(10, "seed"), count(1000, "image")
        ('1 seed', '10 seeds', '1,000 images')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def images_in_words(n_images: int, n_cases: int) -> str:
    """A number of images, and of cases where near-duplicates make them fewer.

    Example:
        >>> images_in_words(16, 16), images_in_words(16, 14)
        ('16 images', '16 images, 14 cases')
    """
    return count(n_images, "image") + (f", {count(n_cases, 'case')}" if n_cases < n_images else "")
