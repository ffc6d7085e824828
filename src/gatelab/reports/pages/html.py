"""Templates rendered to pages: each one file that holds its style and its script and allows no other."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gatelab.reports import numbers, shown
from gatelab.reports.charts import reading_svg, svg
from gatelab.reports.charts.colours import hexadecimal
from gatelab.reports.pages.mathml import mathml
from gatelab.screen import counted

HERE = Path(__file__).parent


def render(template: str, *, assets: Sequence[str] = (), forms: bool = False, **values: Any) -> str:
    """The page of a template in templates/, with values escaped. assets: names in assets/ whose .css and .js follow
    those of every page. forms: whether a form may send to its own server."""
    style, script = style_and_script(assets)
    policy = content_security_policy(style, script, forms)
    return (
        environment().get_template(template).render(style=Markup(style), script=Markup(script), policy=policy, **values)
    )


@cache
def environment() -> Environment:
    """The one of the process, which compiles a template once."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        visible=shown.visible, isolated=shown.isolated, isolated_cells=shown.isolated_cells, shorten=shown.shorten, metric=numbers.metric, counted=counted,
        interval=numbers.interval, count=numbers.count, percentage=numbers.percentage, drawn=svg.draw_chart,
        read=reading_svg.draw_reading, maps=reading_svg.draw_maps, colour=hexadecimal, percent=svg.percent, lifted=svg.lifted, mathml=mathml,
    )  # fmt: skip
    return made


def style_and_script(assets: Sequence[str] = ()) -> tuple[str, str]:
    """The CSS and the JavaScript of every page and of further assets, each as one text."""
    files = ["style.css", "page.js", *(f"{name}.{kind}" for name in assets for kind in ("css", "js"))]
    found = [(HERE / "assets" / file) for file in files]
    return tuple(  # type: ignore[return-value]
        "\n".join(file.read_text(encoding="utf-8") for file in found if file.suffix == kind and file.exists())
        for kind in (".css", ".js")
    )


def content_security_policy(style: str, script: str, forms: bool = False, asks: bool = False) -> str:
    """A policy under which nothing is loaded and only this style and this script apply. asks: whether the script may ask its own
    server."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (style, script)
    )
    asked = "connect-src 'self'; " if asks else ""
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; img-src data:; "
        f"{asked}base-uri 'none'; form-action '{'self' if forms else 'none'}'"
    )
