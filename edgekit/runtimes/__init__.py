"""A folder a runtime: its record and exporter, quantizer, graph reader, operators, metadata.

`registry` finds the folders, here and under `runtimes/` in those that `EDGEKIT_PLUGINS` names.
"""

from edgekit import plugins

plugins.extend(__name__)
