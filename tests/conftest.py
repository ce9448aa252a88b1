"""Settings that all tests share."""

from hypothesis import settings

settings.register_profile("rkbs", deadline=None, derandomize=True, max_examples=150, database=None)
settings.load_profile("rkbs")
