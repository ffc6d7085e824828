"""The tables of a page, read as its reader would."""

from collections import defaultdict
from html.parser import HTMLParser


class Tables(HTMLParser):
    """The cells of every table, by the label of what it scrolls in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = defaultdict(list)
        self.name, self.open = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if given.get("class") == "wide":
            self.name = given["aria-label"] or ""
        elif tag == "tr":
            self.rows[self.name].append([])
        elif tag in ("td", "th"):
            self.rows[self.name][-1].append("")
            self.open = True
        elif tag == "small":
            self.rows[self.name][-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.rows[self.name][-1][-1] += data.strip("\n")
