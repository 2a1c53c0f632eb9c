"""The cost of a network: parameters, multiply-adds, time and memory."""

from regard.cost.counts import macs, parameters
from regard.cost.memory import peak_memory
from regard.cost.module_pass import ModulePass
from regard.cost.timing import Timing, time_functions, time_in_turns

__all__ = ["ModulePass", "Timing", "macs", "parameters", "peak_memory", "time_functions", "time_in_turns"]
