"""A page with nothing but a gallery."""

from pathlib import Path

from xairank.report.gallery import GalleryFacts

# What a strict server, such as that of a build system, lets a page do: own files only, nothing inline.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
PATIENCE = 120_000  # milliseconds that a busy machine may take
METHODS = {"Grad-CAM": "gradcam", "Saliency": "saliency", "Integrated gradients": "integrated_gradients"}


def write_page(folder: Path, facts: GalleryFacts) -> Path:
    """The smallest page that holds a gallery."""
    styles = "".join(f'<link rel="stylesheet" href="{name}">\n' for name in facts.styles)
    scripts = "".join(f'<script defer src="{name}"></script>\n' for name in facts.scripts)
    path = folder / "index.html"
    path.write_text(
        f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width">
<title>Gallery</title>
<link rel="stylesheet" href="page.css">
{styles}{scripts}<main>
<h1>Report</h1>
<section id="gallery">
<h2>Gallery</h2>
<noscript><p>The gallery needs JavaScript.</p></noscript>
</section>
</main>
</html>
""",
        encoding="utf-8",
    )
    (folder / "page.css").write_text(
        ":root { color-scheme: light dark; font-family: system-ui, sans-serif; }\n"
        "body { margin: 1rem; background: #fff; }\n"
        "@media (prefers-color-scheme: dark) { body { background: #121417; color: #e8eaed; } }\n"
    )
    return path


def names(page):
    return page.locator(".gallery-card h3").all_inner_texts()


def settled(page):
    """Waits until what was opened, or what a slider changed, is painted."""
    page.locator(".gallery-panels[aria-busy=false]").wait_for(state="attached")
