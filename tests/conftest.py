"""How all tests run: without a bound on the clock, which says more of the machine than of danlu."""

from hypothesis import settings

settings.register_profile("danlu", deadline=None)
settings.load_profile("danlu")
