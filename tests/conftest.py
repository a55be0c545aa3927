"""What every test may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, not whether the code is right: `make test` has two processes,
# and whoever builds beside it takes the rest. What is slow in itself is held to account by the time limit of each test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def anyio_backend() -> str:
    """Safelight runs on asyncio: uvicorn does."""
    return "asyncio"
