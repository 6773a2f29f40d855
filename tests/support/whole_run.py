"""Whether this run is whole (`make verify`) or one that has to be short."""

from __future__ import annotations

import os

IS_WHOLE = os.environ.get("HYPOTHESIS_PROFILE", "dev") != "dev"
