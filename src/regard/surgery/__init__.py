"""Attention in anybody's network: select sites, plan, apply, revert."""

from regard.surgery.found import attentions
from regard.surgery.handle import Handle
from regard.surgery.loading import load, plan_from_json
from regard.surgery.plan import Plan, Row
from regard.surgery.selection import Selection, attach, select
from regard.surgery.sites import Rejected, Site

__all__ = [
    "Handle",
    "Plan",
    "Rejected",
    "Row",
    "Selection",
    "Site",
    "attach",
    "attentions",
    "load",
    "plan_from_json",
    "select",
]
