"""A screenshot of a page for the README: python tools/screenshot.py PAGE OUT.png

Needs what developers have: Playwright, and a Chromium on the machine.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
COLOURS = 128  # enough for text and lines, in a small file


def screenshot(page: str, out: Path, *, width: int, height: int, dark: bool = False, section: str = "") -> None:
    """page: a file or an address. section: the id of the section to show, by default the top."""
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
        picture = Image.open(io.BytesIO(opened.screenshot()))
        browser.close()
    picture.convert("RGB").quantize(COLOURS).save(out, optimize=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("page")
    options.add_argument("out", type=Path)
    options.add_argument("--width", type=int, default=1120)
    options.add_argument("--height", type=int, default=900)
    options.add_argument("--dark", action="store_true")
    options.add_argument("--section", default="")
    given = options.parse_args()
    try:
        screenshot(**vars(given))
    except (ImportError, FileNotFoundError) as error:
        sys.exit(f"{error}. Install what developers have: pip install 'gatelab[dev]', and a chromium.")


if __name__ == "__main__":
    main()
