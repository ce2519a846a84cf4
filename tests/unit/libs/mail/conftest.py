"""Crafted input is met without a clock: a busy machine must not fail a test of correctness."""

from hypothesis import settings

settings.register_profile("without-deadline", deadline=None)
settings.load_profile("without-deadline")
