"""When something is due, and whether it may be done then. Pure: calendars in, decisions out."""

from cluster.schedule.cron import check_cron, next_fire_ms
from cluster.schedule.due import CATCH_UP_MS, GRACE_MS, Due, decide_due, next_due_ms
from cluster.schedule.watching import Hold, Update, decide_watch
from cluster.schedule.windows import Standing, is_within, standing

__all__ = [
    "CATCH_UP_MS",
    "GRACE_MS",
    "Due",
    "Hold",
    "Standing",
    "Update",
    "check_cron",
    "decide_due",
    "decide_watch",
    "is_within",
    "next_due_ms",
    "next_fire_ms",
    "standing",
]
