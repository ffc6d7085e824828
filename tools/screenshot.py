"""A screenshot of a page for the README: python tools/screenshot.py PAGE OUT.png

Needs what developers have: Playwright, and a Chromium on the machine.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
MARGIN = 24  # pixels around an element
COLOURS = 128  # enough for text and lines, in a small file


def screenshot(
    page: str,
    out: Path,
    *,
    width: int,
    height: int,
    dark: bool = False,
    section: str = "",
    element: str = "",
    text: str = "",
) -> None:
    """page: a file or an address. section: the id of the section to show, by default the top. element: a CSS selector of what is shown in place
    of the window. text: typed into the box of gatelab ui, whose answer is awaited."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    address = page if page.startswith("http://") else Path(page).resolve(strict=True).as_uri()
    with sync_playwright() as driver:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        opened = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            device_scale_factor=1.5,
        )
        opened.goto(address)
        if section:
            opened.evaluate("id => document.getElementById(id).scrollIntoView()", section)
        if text:
            opened.fill("#own-text", text)
            opened.wait_for_selector("#own .tinted")
        box = opened.locator(element).first.bounding_box() if element else None
        clip = {"x": box["x"] - MARGIN, "y": box["y"] - MARGIN, "width": box["width"] + 2 * MARGIN, "height": box["height"] + 2 * MARGIN} if box else None  # fmt: skip
        picture = Image.open(io.BytesIO(opened.screenshot(clip=clip, full_page=box is not None)))
        browser.close()
    picture.convert("RGB").quantize(COLOURS).save(out, optimize=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("page")
    options.add_argument("out", type=Path)
    options.add_argument("--width", type=int, default=1120)
    options.add_argument("--height", type=int, default=900)
    options.add_argument("--dark", action="store_true")
    for name in ("section", "element", "text"):
        options.add_argument(f"--{name}", default="")
    given = options.parse_args()
    try:
        screenshot(**vars(given))
    except (ImportError, FileNotFoundError) as error:
        sys.exit(f"{error}. Install what developers have: pip install 'gatelab[dev]', and a chromium.")


if __name__ == "__main__":
    main()
