"""What the tests and their workers share; a module of its own, since the workers do without pytest."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

__all__ = ["awaited"]


async def awaited(result: Awaitable[Any]) -> Any:
    """A coroutine of any awaitable, since not everything that runs one takes the other."""
    return await result
