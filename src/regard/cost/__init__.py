"""The cost of a network: parameters, multiply-adds, time and memory."""

from regard.cost.counts import macs, parameters
from regard.cost.memory import peak_memory
from regard.cost.timing import Timing, time_in_turns

__all__ = ["Timing", "macs", "parameters", "peak_memory", "time_in_turns"]
