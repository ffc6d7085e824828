"""Triton's interpreter without what takes half of its time and decides no result."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest


@pytest.fixture(scope="session")
def quick_interpreter() -> Iterator[None]:
    """Modules of Triton are patched once a launch and not in each call of a function, and sums of indices, which are small in these
    tests, are not compared with the range of int32."""
    try:
        from triton.runtime import interpreter
    except ImportError:
        yield
        return
    language, patch_language, builder = interpreter.tl, interpreter._patch_lang, interpreter.interpreter_builder

    def patch_once(function: Any) -> Any:
        seen = {id(value) for value in function.__globals__.values()}
        unpatched = [module for module in (language, language.core) if language.core.is_builtin(module.load)]
        return patch_language(function) if seen & {*map(id, unpatched)} else interpreter._LangPatchScope()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "_patch_lang", patch_once)
        patch.setattr(builder, "options", replace(builder.options, sanitize_overflow=False))
        yield
