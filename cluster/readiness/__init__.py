"""Pure: whether a deployment would go well, from what is committed and what its hosts say."""

from cluster.readiness.deploying import Deploying, Host, Setting, question_for, reference_of
from cluster.readiness.forecast import HostLoad, ServiceForecast, forecast
from cluster.readiness.notes import Check, Level, Note
from cluster.readiness.review import review

__all__ = [
    "Check",
    "Deploying",
    "Host",
    "HostLoad",
    "Level",
    "Note",
    "ServiceForecast",
    "Setting",
    "forecast",
    "question_for",
    "reference_of",
    "review",
]
