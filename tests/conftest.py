"""Settings that every test shares."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples every time: a red CI run must be red on your desk too. No deadline, because a
# busy machine is slow at random.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)

# New examples every time, and many: `make soak` looks for what nobody thought of.
settings.register_profile(
    "soak",
    max_examples=2_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
