"""Every plug-in there is."""

from tollway.core.model import CHAT, EMBEDDING
from tollway.gateway import dialects, providers, surfaces
from tollway.gateway.dialect import Dialect
from tollway.gateway.provider import Provider
from tollway.gateway.surface import Surface
from tollway.kit.registry import discover

DIALECTS = discover(dialects, "dialect", Dialect)
TWO_WAY = {name: dialect for name, dialect in DIALECTS.items() if not dialect.one_way and dialect.type == CHAT}
OF_VECTORS = {name: dialect for name, dialect in DIALECTS.items() if dialect.type == EMBEDDING}
PROVIDERS = discover(providers, "provider", Provider)
SURFACES = discover(surfaces, "surface", Surface)
