"""A few cases with a fixed seed in `make test`, more than ten thousand new ones in `make fuzz`."""

import os

from hypothesis import HealthCheck, settings

from tests.fuzz.answers import seen

SLOW = "MACE_FUZZ"
SHARED = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}

settings.register_profile("fast", max_examples=60, derandomize=True, **SHARED)
settings.register_profile("slow", max_examples=1500, print_blob=True, **SHARED)
settings.load_profile("slow" if os.environ.get(SLOW) else "fast")


def pytest_terminal_summary(terminalreporter) -> None:
    terminalreporter.write_line(
        "fuzz: {cases} cases, {results} results, {sentences} sentences".format(**seen)
    )
