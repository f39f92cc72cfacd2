"""The tiny decoders of the unit tests."""

from tests.unit.decoders.conftest import written

__all__ = ["written"]
