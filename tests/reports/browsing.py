"""What tests in a browser share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def watched(page: Any) -> Any:
    """page.complaints: what it writes to the console, its errors, and every address that it asks for."""
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.complaints.append(request.url))
    return page


@contextmanager
def opening(browser: Any) -> Iterator[Callable[..., Any]]:
    """open(address, **options of a browser context): a watched page there, in a context of its own, closed at the end."""
    contexts = []

    def open_(address: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = watched(contexts[-1].new_page())
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()


def rows_of(page: Any, name: str) -> list[list[str]]:
    """The visible rows of the table of this name, cell by cell."""
    return page.evaluate(
        """name => [...document.querySelector(`table[data-name="${name}"]`).tBodies[0].rows].filter(row => !row.hidden)
           .map(row => [...row.cells].map(cell => cell.textContent.trim()))""",
        name,
    )


def open_everything(page: Any) -> None:
    """But for the buttons of the box for a text, which come and go while a model writes."""
    for button in page.locator(".more:not(#own *):visible").all():
        button.click()
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
