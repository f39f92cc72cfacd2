"""What a device cannot run, said before any training, with the layer at fault and the fix."""

from edgekit.constraints.check import Allowed, check
from edgekit.constraints.left_out import Exports, export

__all__ = ["Allowed", "Exports", "check", "export"]
