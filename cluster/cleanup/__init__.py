"""What of images, volumes and networks may go, and why the rest stays. Pure."""

from cluster.cleanup.deciding import Pin, Verdict, canonical, judge_image, judge_network, judge_volume
from cluster.cleanup.plan import ITEMS_MAX, PlanToken, fingerprint

__all__ = [
    "ITEMS_MAX",
    "Pin",
    "PlanToken",
    "Verdict",
    "canonical",
    "fingerprint",
    "judge_image",
    "judge_network",
    "judge_volume",
]
