from edgekit.api import Benchmark as Benchmark
from edgekit.api import Budget as Budget
from edgekit.api import BuildResult as BuildResult
from edgekit.api import Bundle as Bundle
from edgekit.api import Data as Data
from edgekit.api import Network as Network
from edgekit.api import PruningPlan as PruningPlan
from edgekit.api import Recipe as Recipe
from edgekit.api import benchmark as benchmark
from edgekit.api import build as build
from edgekit.api import build_many as build_many
from edgekit.api import build_request as build_request
from edgekit.api import diff as diff
from edgekit.api import distill as distill
from edgekit.api import evaluate as evaluate
from edgekit.api import export as export
from edgekit.api import load as load
from edgekit.api import plan as plan
from edgekit.api import prune as prune
from edgekit.api import quantize as quantize
from edgekit.api import search as search

__version__: str
