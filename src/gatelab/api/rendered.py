"""What shows itself in a notebook, and by print, as the commands show it on the screen."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from gatelab.screen import Screen

WIDTH = 120
FRAME = '<pre style="font-family: monospace; line-height: 1.3">{code}</pre>'


class Rendered(ABC):
    """Names and labels from data are shown as plain text."""

    @abstractmethod
    def renderables(self) -> Iterable[Any]:
        """Texts and Rich's tables, from top to bottom."""

    def __str__(self) -> str:
        return self._screen().export_text().rstrip()

    def _repr_html_(self) -> str:
        return self._screen().export_html(inline_styles=True, code_format=FRAME)

    def _screen(self) -> Screen:
        screen = new_screen()
        for part in self.renderables():
            screen.print(part)
        return screen


def new_screen() -> Screen:
    return Screen(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
