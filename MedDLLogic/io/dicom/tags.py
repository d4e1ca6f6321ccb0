"""Values out of a parsed DICOM header, with one error for everything that pydicom may raise on them."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ...errors import MedDLError

# Texts of unknown origin may hold a patient's name, so only codes from the standard are passed on.
# fmt: off
MODALITIES = frozenset({
    "ANN", "AR", "AU", "BDUS", "BI", "BMD", "CR", "CT", "DG", "DOC", "DX", "ECG", "EPS", "ES", "FID", "GM", "HC",
    "HD", "IO", "IVOCT", "IVUS", "KO", "LS", "M3D", "MG", "MR", "NM", "OCT", "OP", "OPT", "OT", "PLAN", "PR", "PT",
    "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SC", "SEG",
    "SM", "SMR", "SR", "TG", "US", "XA", "XC",
})
# fmt: on


@contextmanager
def translated(code: str, what: str) -> Iterator[None]:
    """Turn whatever pydicom and its decoders raise into one error with ``code``."""
    try:
        yield
    except MedDLError:
        raise
    except RecursionError as exc:
        raise MedDLError("E329", "DICOM header nested too deeply") from exc
    except MemoryError as exc:
        raise MedDLError("E502", "not enough memory", what) from exc
    except Exception as exc:  # the parser meets hostile bytes: any type can come out of it
        raise MedDLError(code, what, type(exc).__name__) from exc


@contextmanager
def quiet_parser() -> Iterator[None]:
    """Silence pydicom, whose warnings and log lines quote tag text."""
    logger, mode = logging.getLogger("pydicom"), config.settings.reading_validation_mode
    was_disabled, logger.disabled = logger.disabled, True
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled
        config.settings.reading_validation_mode = mode


def value(data: Dataset, keyword: str) -> object:
    """The element's value, None when it is absent or empty; E303 when it cannot be parsed."""
    with translated("E303", f"{keyword} cannot be read"):
        found = data.get(keyword)
        return None if found is None or (isinstance(found, str | bytes) and not found.strip()) else found


def text(data: Dataset, keyword: str) -> str:
    """The element as text; empty when absent."""
    found = value(data, keyword)
    return "" if found is None else str(found).strip(" \0")


def texts(data: Dataset, keyword: str) -> tuple[str, ...]:
    """The element as upper-case words, one a value; none when absent."""
    found = value(data, keyword)
    if found is None:
        return ()
    return (found.upper(),) if isinstance(found, str) else tuple(str(part).upper() for part in _sequence(found))


def uid(data: Dataset, keyword: str) -> UID:
    """The element as an identifier; empty when absent."""
    return UID(text(data, keyword))


def count(data: Dataset, keyword: str, default: int | None = None) -> int:
    """The element as a whole number of at least 1; E303 when it is none."""
    found = value(data, keyword)
    if found is None and default is not None:
        return default
    if found is None:
        raise MedDLError("E303", f"{keyword} missing")
    with translated("E303", f"{keyword} is not a whole number"):
        number = int(str(found))
    if number < 1:
        raise MedDLError("E303", f"{keyword} not valid", f"{number}")
    return number


def numbers(data: Dataset, keyword: str, code: str) -> tuple[float, ...]:
    """The element as numbers, none when absent; ``code`` when one is not finite or not a number."""
    found = value(data, keyword)
    if found is None:
        return ()
    with translated(code, f"{keyword} is not numeric"):
        parts = tuple(float(str(part)) for part in _sequence(found))
    if not all(math.isfinite(part) for part in parts):
        raise MedDLError(code, f"{keyword} not valid", "it is not a finite number")
    return parts


def items(data: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none when absent."""
    found = value(data, keyword)
    with translated("E303", f"{keyword} cannot be read"):
        return tuple(item for item in _sequence(found) if isinstance(item, Dataset))


def modality(data: Dataset) -> str:
    """The modality's code; empty when absent or not one of the standard's."""
    code = text(data, "Modality").upper()
    return code if code in MODALITIES else ""


def _sequence(found: object) -> list[object]:
    if found is None:
        return []
    return list(found) if isinstance(found, Iterable) and not isinstance(found, str | bytes) else [found]
