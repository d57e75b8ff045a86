"""What every test runs under: properties are judged by their truth, not by the speed of a shared machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("house"), max_examples=20)
settings.register_profile("long", settings.get_profile("house"), max_examples=1000)
settings.load_profile("house")
