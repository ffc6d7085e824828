import re

import pytest

from gatelab.reports.shown import LONG, SHORT, folded, isolated, shorten, visible


@pytest.mark.parametrize("code", [0x202E, 0x2066, 0x200F, 0x200B, 0x0000, 0x001B, 0x0085, 0xFEFF, 0xD83D, 0xE0041])
def test_what_acts_without_being_seen_is_written_out(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"


def test_what_scripts_and_emoji_need_stays() -> None:
    text = "عربي\u200cی 👩\u200d👩\u200d👧 e\u0301\tand\nlines"
    assert visible(text) == text


def test_a_text_becomes_markup_that_shows_it_and_does_nothing() -> None:
    assert isolated('<b>"&\u202e') == '<bdi>&lt;b&gt;&#34;&amp;<span class="control">⟨U+202E⟩</span></bdi>'


def test_a_long_text_is_cut_after_a_word_and_says_what_is_missing_and_where() -> None:
    text = "word " * 2000
    markup = folded(text, 12_000, "line 3 of <a>.csv")
    shown, rest = (len(part) for part in re.findall(r"<bdi>(.*?)</bdi>", markup))
    assert shown == SHORT
    assert shown + rest == LONG
    assert f"… {12_000 - shown:,} more characters" in markup
    assert f"and {12_000 - LONG:,} more characters, at line 3 of &lt;a&gt;.csv" in markup
    assert folded("short <", 7, "") == "<bdi>short &lt;</bdi>"


def test_a_label_is_one_short_line() -> None:
    assert shorten("two\n lines", 20) == "two lines"
    assert shorten("x" * 50, 10) == "x" * 9 + "…"
