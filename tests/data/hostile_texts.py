"""Texts that a tokenizer might cut otherwise in pieces than at once."""

from hypothesis import strategies as st

# What a rule might join across a border between pieces, or take for one.
FRAGMENTS = (
    " ", "  ", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u200b", "\u2028", "\u2029",
    "\u202f", "\u205f", "\u3000", "\ufeff", "\u200c", "\u200d", "\u0301", "\u0338", "\u0327", "\u0345", "\u3099", "http://", "https://t.co/a",
    "www.", "HTTP://", "@", "@bob", "x@y", "_", "sooo", "ooo", "o", "!!!", "!", "...", "'", "’s", "it's", "Σ", "ΟΔΟΣ", "İ", "ǆ", "ß",
    "e", "\u1100", "\u1161", "\u11a8", "か", "电影", "می", "नि", "\U0001f1e9", "\U0001f1ea", "👍", "🏽", "👩", "\u200d👧", "\ufe0f", "<", ">",
    "<pad>", "<unk>", "<url>", "<user>", "<PAD>", "<un", "k>", "▁", "▁a",
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    min_size=1,
    max_size=12,
).map("".join)
