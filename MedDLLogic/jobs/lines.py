"""Bytes of a process as lines, whatever their sizes: nothing it writes can fill the memory of who reads it."""

from __future__ import annotations

MAX_LINE_BYTES = 1_000_000
MAX_TAIL_CHARACTERS = 4_000


class Lines:
    """Cuts a byte stream into lines; one longer than ``MAX_LINE_BYTES`` is left out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, in order and without their ends."""
        lines: list[bytes] = []
        *ends, rest = data.split(b"\n")
        for part in ends:
            self._add(part)
            if not self._is_too_long:
                lines.append(bytes(self._rest))
            self._rest, self._is_too_long = bytearray(), False
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._rest) + len(part) > MAX_LINE_BYTES
        if self._is_too_long:
            self._rest.clear()
        else:
            self._rest += part


class Tail:
    """The last characters of a log, for the message when its writer dies."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, data: bytes) -> None:
        """Keep the end of what was written so far."""
        self.text = (self.text + data.decode("utf-8", "replace"))[-MAX_TAIL_CHARACTERS:]
