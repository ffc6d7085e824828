"""Templates into pages: one file each, with its style and its script inside and no other allowed."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gatelab.reports import numbers, texts

HERE = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """The page of a template in templates/. Whatever stands in values is text: it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": texts.visible,
        "isolated": texts.isolated,
        "shorten": texts.shorten,
        "metric": numbers.metric,
        "interval": numbers.interval,
        "count": numbers.count,
        "counted": numbers.counted,
        "share": numbers.share,
    }
    style, script = ((HERE / "assets" / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    return environment.get_template(template).render(
        style=Markup(style), script=Markup(script), policy=content_security_policy(style, script), **values
    )


def content_security_policy(style: str, script: str) -> str:
    """Nothing is loaded and nothing runs but this style and this script."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
