"""What people do at the page, and the files that they give it."""

import re
import struct
import zlib


def is_local(url, address):
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))


def give(page, label, file):
    """Chooses a file, a path or a dictionary with what it holds, in the field with this label."""
    page.get_by_label(re.compile(f"^{label}")).set_input_files(file)


def give_image(page, file):
    give(page, "Image", file)
    page.get_by_text("pixels.").wait_for()


def give_mask(page, file):
    page.get_by_label("Mask", exact=True).select_option("a file")
    give(page, "Mask of the defect", file)
    page.get_by_text(file.name).wait_for()


def explain(page):
    page.get_by_role("button", name="Explain").click()


def ask_for_long(page):
    """Asks for the most noisy copies that a page takes: minutes of computing."""
    page.get_by_label("Integrated gradients", exact=True).uncheck()
    page.get_by_label("SmoothGrad", exact=True).check()
    page.get_by_label("Options of").select_option("SmoothGrad")
    page.get_by_label("Samples").fill("10000")


def table_of(page):
    """The numbers of the table: by method, its overlap as it is shown."""
    page.get_by_text("Done in").wait_for()
    rows = [row.locator("th, td").all_text_contents() for row in page.get_by_role("row").all()]
    return {row[0]: row[rows[0].index("Top-K Overlap")] for row in rows[1:]}


def message(page, text):
    """Waits for what the page says."""
    page.get_by_text(re.compile(text)).wait_for()


def drop(page, label, file):
    """Drops a file on a field, as a browser hands it on: the field gets the file, and changes."""
    transfer = page.evaluate_handle(
        """(content) => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(content)], 'dropped.png')); return data; }""",
        list(file.read_bytes()),
    )
    page.get_by_label(re.compile(f"^{label}")).evaluate(
        "(field, data) => { field.files = data.files; field.dispatchEvent(new Event('change')); }", transfer
    )


def large(place):
    """A PNG whose header claims 30,000 x 30,000 pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    (place / "large.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0"))
    )
    return place / "large.png"


def text(place):
    (place / "notes.png").write_text("no image at all")
    return place / "notes.png"


def heavy(place):
    (place / "heavy.png").write_bytes(bytes(20_000_001))
    return place / "heavy.png"
