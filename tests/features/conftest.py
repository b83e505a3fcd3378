"""Steps of the features, for all that is told in them: given, when, then."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    for steps in ("given", "when", "then"):
        config.pluginmanager.import_plugin(steps)
