"""Pages that gatelab ui keeps up with their runs: those of run folders, with more of style, script and sections."""

import hashlib
from collections.abc import Sequence

from markupsafe import escape
from werkzeug.wrappers import Request, Response

from gatelab.reports.pages.html import content_security_policy, style_and_script


def live_page(
    request: Request, content: str | bytes, assets: Sequence[str], adds: Sequence[str], *, forms: bool = False
) -> Response:
    """A page that was made with assets and gets those of adds besides, whose script may ask this server, as for the page itself once
    it has changed."""
    encoded = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    state = hashlib.sha256(encoded).hexdigest()[:16]
    before = [*style_and_script(assets), str(escape(content_security_policy(*style_and_script(assets), forms)))]
    style, script = style_and_script([*assets, *adds])
    policy = content_security_policy(style, script, forms, asks=True)
    for old, new in zip(before, (style, script, str(escape(policy))), strict=True):
        encoded = encoded.replace(old.encode(), new.encode(), 1)
    encoded = encoded.replace(b"<head>", f'<head>\n<meta name="state" content="{state}">'.encode(), 1)
    headers = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'", "ETag": f'"{state}"'}
    return Response(encoded, 200, headers, mimetype="text/html").make_conditional(request.environ)


def with_section(content: bytes, section: str, id: str, title: str) -> bytes:
    """The page with one more section, the first, and a link to it."""
    for tag, more in (("main", section), ('nav aria-label="Sections"', f'<a href="#{id}">{title}</a> ')):
        before, start, after = content.partition(f"<{tag}".encode())
        rest, end, body = after.partition(b">")
        content = b"".join((before, start, rest, end, more.encode() if start else b"", body))
    return content
