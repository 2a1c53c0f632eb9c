"""The drawing of a module's data flow: its code is traced, and what a reader needs becomes an SVG.

It works on any `Mechanism` and knows none by name: maps, shared functions and repeated units are read off taps, modules
and the calls that were recorded.
"""

from regard.tracing.drawing import Flow, FlowEdge, FlowNode, draw_flow
from regard.tracing.trace import trace_flow

__all__ = ["Flow", "FlowEdge", "FlowNode", "draw_flow", "trace_flow"]
