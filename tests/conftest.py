"""What every test may use."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Safelight runs on asyncio: uvicorn does."""
    return "asyncio"
