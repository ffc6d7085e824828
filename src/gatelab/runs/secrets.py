"""Redacts keys, tokens, passwords and credentials in URLs from files, logs and trackers.

A secret is recognized by its name, by its pattern, or as the value of an environment variable with such a name.
"""

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HIDDEN = "***"
_ARGUMENTS = threading.Lock()  # sys.argv is shared by all threads

_WORDS = r"password|passwd|passphrase|secret|token|credentials?|auth|bearer|(?:api|access|private|secret|signing|account)[-_]?key"
# The word may end a longer name, as in WANDB_API_KEY, but not begin one: tokenizer and num_tokens are no secrets.
_NAME = rf"(?:(?:[\w.-]*[._-])?(?:{_WORDS})|[\w.-]*[._-](?:pass|pat|pwd))"  # GH_PAT, but not PWD
_IS_NAME = re.compile(_NAME, re.IGNORECASE)
_QUOTED = re.compile(rf"""(?<![\w])({_NAME}["']?\s*[:=]\s*)(["'])(?:(?!\2)[^\n\\]|\\.)+\2""", re.IGNORECASE)
_BARE = re.compile(rf"""(?<![\w])({_NAME}["']?(?:=|:\s+))(?!["'])[^\s,;&"'()\[\]{{}}]+""", re.IGNORECASE)
# In code, where a bare word is a variable: unless it looks drawn, with digits, small and capital letters.
_DRAWN = re.compile(
    rf"""(?<![\w])((?i:{_NAME})["']?(?:=|:\s+))(?=\S*\d)(?=\S*[a-z])(?=\S*[A-Z])[A-Za-z0-9+/=-]{{20,}}(?![\w(.\[])"""
)
# With a password, which may hold a slash or an @, up to the last @ of the word.
_USER_IN_URL = re.compile(r"(?<=://)(?:[^/\s@:\"']*:[^\s\"']*|[^/\s@\"']+)@")
_QUERY = re.compile(
    r"([?&;][\w.~-]*(?:token|key|secret|passw(?:or)?d|pwd|sig|signature|credential|auth)=)[^&\s\"'#]+", re.IGNORECASE
)
_NETRC = re.compile(r"(\blogin\s+\S+\s+password\s+)[^\s\"']+")
_FORMATS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+",  # JSON web tokens
            r"\bgh[pousr]_\w{30,}", r"\bgithub_pat_\w{30,}", r"\bglpat-[\w-]{20,}",
            r"\bpypi-[\w-]{30,}", r"\bnpm_\w{30,}", r"\bsk-[\w-]{20,}", r"\bhf_[A-Za-z0-9]{30,}", r"\bwandb_v\d+_\w{20,}",
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", r"\bAIza[\w-]{35}", r"\bxox[abeoprs]-[\w-]{10,}",
            r"(?<=\bBearer )[\w.~+/-]{12,}=*", r"(?<=\bBasic )[A-Za-z0-9+/]{12,}=*",
        )
    ),
    re.DOTALL,
)  # fmt: skip
_MIN_LENGTH_IN_ENVIRONMENT = 8  # characters; a shorter value would be found in innocent words


def redact(value: Any, name: str = "", *, numbers: bool = True) -> Any:
    """A nested value with every secret replaced; name is its key. numbers: whether a number under such a name is a
    secret. The row count of a class named "token" is not."""
    return _redact(value, name, numbers, secrets_in_environment())


def _redact(value: Any, name: str, numbers: bool, known: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _redact(item, str(key), numbers, known) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact(item, name, numbers, known) for item in value]
    is_secret = _IS_NAME.fullmatch(name) and (
        value if isinstance(value, str) else numbers and not isinstance(value, bool)
    )
    if value is not None and is_secret:
        return HIDDEN
    return redact_text(value, known) if isinstance(value, str) else value


def redact_text(text: str, known: list[str] | None = None) -> str:
    """text without secrets given as name=value or name: value, in URLs, or in a known format. known: secrets of the
    environment, where already looked up."""
    return _BARE.sub(rf"\g<1>{HIDDEN}", redact_code(text, known))


def redact_code(text: str, known: list[str] | None = None) -> str:
    """The same for source code, where quoted values count and such as look drawn: another bare name after token= is a variable."""
    for secret in secrets_in_environment() if known is None else known:
        text = text.replace(secret, HIDDEN)
    text = _FORMATS.sub(HIDDEN, text)
    text = _NETRC.sub(rf"\g<1>{HIDDEN}", text)
    text = _USER_IN_URL.sub(f"{HIDDEN}@", text)
    text = _DRAWN.sub(rf"\g<1>{HIDDEN}", _QUERY.sub(rf"\g<1>{HIDDEN}", text))
    return _QUOTED.sub(rf"\g<1>\g<2>{HIDDEN}\g<2>", text)


def secrets_in_environment() -> list[str]:
    """Longest first, so that a secret that contains another is replaced as a whole."""
    found = {
        value
        for name, value in os.environ.items()
        if len(value) >= _MIN_LENGTH_IN_ENVIRONMENT and _IS_NAME.fullmatch(name) and not os.path.exists(value)
    }
    return sorted(found, key=len, reverse=True)


@contextmanager
def redacted_arguments() -> Iterator[None]:
    """Redact sys.argv while a library reads it."""
    with _ARGUMENTS:
        arguments = sys.argv
        sys.argv = redact(arguments)
        try:
            yield
        finally:
            sys.argv = arguments
