"""What happened in the stand-in that no exception tells a test."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

slot_errors: list[str] = []
failed_connections: list[str] = []
thread_errors: list[str] = []
slot_listeners: list[Callable[[Callable[..., Any], bool], None]] = []  # told when a slot begins (True) and ends
made: list[weakref.ref[Any]] = []  # timers and processes, for whoever looks for leaks
single_shots: list[str] = []  # those still to come
