"""The one error type of MedDL, its codes, and the exit status each family of codes has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

MAX_LINE = 200

CODES: dict[str, str] = {
    "E101": "argument not usable",
    "E102": "job description not usable",
    "E103": "preprocessing recipe not usable",
    "E104": "an optional package is missing",
    "E105": "an explicit yes is needed",
    "E106": "record not usable",
    "E301": "input not found or not readable",
    "E302": "file format not known or not what its name says",
    "E303": "header not valid",
    "E304": "declared size not possible or over the budget",
    "E305": "data cut short or damaged",
    "E306": "voxel spacing not valid",
    "E307": "orientation matrix not valid",
    "E308": "two orientations in one header disagree",
    "E309": "voxels are not finite numbers",
    "E310": "kind of image not supported here",
    "E311": "header points to data outside its folder",
    "E312": "intensity scaling not valid",
    "E320": "no image in this DICOM input",
    "E321": "several series, one must be chosen",
    "E322": "slices missing",
    "E323": "slices stand twice",
    "E324": "slices unevenly spaced",
    "E325": "gantry tilt",
    "E326": "slices of one series do not fit each other",
    "E327": "no position or orientation in the patient",
    "E328": "pixel data cannot be decoded",
    "E329": "nested too deeply",
    "E330": "millimetres needed, patient frame not known",
    "E331": "channels do not fit each other or the model",
    "E332": "result does not lie on the input's grid",
    "E401": "model card not valid",
    "E402": "labels not valid",
    "E403": "model not known or not here yet",
    "E404": "weights are not the file that the card names",
    "E405": "model contains code nobody said yes to",
    "E406": "weights do not fit the network",
    "E407": "model format not supported",
    "E408": "archive not safe to read",
    "E501": "disk full",
    "E502": "not enough memory",
    "E503": "output folder not usable",
    "E504": "device not available",
    "E505": "written file differs from what was meant",
    "E506": "package index not reachable or file not there",
    "E507": "environment not usable",
    "E601": "busy with another run",
    "E602": "cancelled",
    "E603": "worker ended unexpectedly",
    "E604": "scene changed during the run",
    "E605": "some cases of a batch failed",
    "E606": "model gave numbers that are not finite",
    "E607": "nothing found where a step needs something",
    "E608": "result is doubtful",
    "E609": "worker belongs to another MedDL",
    "E610": "worker does not answer",
    "E901": "defect in MedDL",
}

_PACKAGE = __name__.partition(".")[0]

_EXIT_STATUS = {"E1": 2, "E3": 3, "E4": 4, "E5": 5, "E6": 6, "E9": 70}
EXIT_BATCH_INCOMPLETE = 7


class MedDLError(Exception):
    """A failure told in one line that holds no path and no patient data.

    Parameters
    ----------
    code : one of ``CODES``, the same in panel, exit status, manifest and log.
    what : what did not work, a few words.
    why : the fact that was found (numbers, field names; never a path, name or tag text).
    hint : what the user can do.
    detail : anything longer for the local log only; never shown, never in a manifest.
    """

    def __init__(self, code: str, what: str, why: str = "", hint: str = "", *, detail: str = "") -> None:
        if code not in CODES:
            raise KeyError(f"unknown error code {code}")
        super().__init__(code, what, why, hint)
        self.code, self.what, self.why, self.hint, self.detail = code, what, why, hint, detail

    def __str__(self) -> str:
        parts = [part for part in (self.what or CODES[self.code], self.why, self.hint) if part]
        text = " ".join(f"MEDDL-{self.code}: {' — '.join(parts)}".split())
        line = "".join(c if c.isprintable() else "?" for c in text)  # nothing that steers a terminal
        return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…"

    @property
    def exit_status(self) -> int:
        """Exit status of a command that ends with this error."""
        return EXIT_BATCH_INCOMPLETE if self.code == "E605" else _EXIT_STATUS[self.code[:2]]


@contextmanager
def optional_packages() -> Iterator[None]:
    """Turn the absence of a package that the ``with`` block imports into E104, which names it."""
    try:
        yield
    except ModuleNotFoundError as exc:
        name = (exc.name or "").partition(".")[0]
        if name == _PACKAGE:
            raise
        raise MedDLError("E104", "a package is missing", name[:40], 'pip install "meddl[standalone]"') from exc
