"""Real PySide6 objects with the manners of PythonQt, as strict as the listing of a true Slicer's classes.

Properties are attributes, methods take no keywords, a name that a true Slicer lacks is an
AttributeError, ``connect`` with an unknown signal returns False, and what a slot raises is printed
while the caller goes on. What a test must not pass over is kept in ``slot_errors``,
``failed_connections`` and ``thread_errors``.
"""

from .classes import make_module, wrapped_classes
from .connections import normalized
from .constants import NAMESPACE
from .listing import API, API_FILE, NotModelled, class_of, listing_of, own_classes, register
from .objects import Wrapped, guarded, unwrap, wrap
from .records import failed_connections, made, single_shots, slot_errors, slot_listeners, thread_errors

__all__ = [
    "API",
    "API_FILE",
    "NAMESPACE",
    "NotModelled",
    "Wrapped",
    "class_of",
    "failed_connections",
    "guarded",
    "listing_of",
    "made",
    "make_module",
    "normalized",
    "own_classes",
    "register",
    "single_shots",
    "slot_errors",
    "slot_listeners",
    "thread_errors",
    "unwrap",
    "wrap",
    "wrapped_classes",
]
