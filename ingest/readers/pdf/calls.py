"""pdfium's functions as ctypes calls them fastest: with addresses as plain integers, without a check of types."""

import ctypes
from collections.abc import Callable
from typing import Any


def direct(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """The binding's `function` by its address. result, arguments: C types."""
    # One that keeps the interpreter lock: the calls are too short to be worth giving it away.
    return ctypes.PYFUNCTYPE(result, *arguments)(address(function))


def address(pointer: Any) -> int:
    """Where a ctypes pointer or function points to."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0
