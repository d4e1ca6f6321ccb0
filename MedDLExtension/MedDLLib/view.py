"""What any part of the panel shows, as data: lines of text with a tone, and what can be pressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["hint", "busy", "done", "warning", "error"]

# Each stands out on a white and on a dark gray panel alike; a sign says the same without color.
COLORS: dict[Tone, str] = {"done": "#2e8b57", "warning": "#b8720a", "error": "#d9534f"}
SIGNS: dict[Tone, str] = {"done": "✓ ", "warning": "⚠ ", "error": "✗ "}


@dataclass(frozen=True)
class Line:
    """A text that is not shown at all when it is empty."""

    text: str = ""
    tone: Tone = "hint"

    @property
    def shown(self) -> str:
        """The text with the sign of its tone."""
        return SIGNS.get(self.tone, "") + self.text if self.text else ""


NOTHING = Line()


@dataclass(frozen=True)
class Control:
    """A button or selector; ``tool_tip`` says what it does, or why it cannot be used now."""

    text: str = ""
    enabled: bool = True
    tool_tip: str = ""
    visible: bool = True
