"""What a bioimage.io description says of the tensors that go in and come out, one record for the layouts 0.4 and 0.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import MedDLError
from .draft import MAX_CHANNELS_OUT, MAX_PATCH

BATCH, CHANNEL = "b", "c"
LAYOUTS = ("bcyx", "bczyx")
_LETTERS = {"batch": BATCH, "channel": CHANNEL}


@dataclass(frozen=True)
class Size:
    """Sizes an axis may have: ``smallest``, and every ``step`` more; 0 steps nowhere."""

    smallest: int
    step: int = 0

    def near(self, target: int) -> int:
        """The largest of them up to the target, at least the smallest."""
        steps = (target - self.smallest) // self.step if self.step and target > self.smallest else 0
        return self.smallest + steps * self.step


@dataclass(frozen=True)
class Processing:
    """A step of pre- or postprocessing by bioimage.io's name."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Tensor:
    """An image tensor.

    Parameters
    ----------
    shape : sizes z, y, x, or y, x; of an output those of the input.
    halo : voxels at each end of these axes that are not to be trusted.
    voxel : what the description says of a voxel's size, empty where it says nothing.
    """

    name: str
    channels: int
    channel_names: tuple[str, ...]
    shape: tuple[Size, ...]
    halo: tuple[int, ...]
    steps: tuple[Processing, ...]
    voxel: str = ""

    def channel_name(self, number: int) -> str:
        """What the channel is called, made up of the tensor's name where it has none."""
        if number < len(self.channel_names):
            return self.channel_names[number]
        return self.name if self.channels == 1 else f"{self.name} {number + 1}"


def tensors_of(table: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """The input and the output.

    Raises
    ------
    MedDLError : E401 for a description that is not valid, E407 for several tensors, other axes, or an output of
        another size than the input.
    """
    version = str(table.get("format_version", ""))
    if not version.startswith(("0.4.", "0.5.")):
        raise MedDLError(
            "E407", "layout of the bioimage.io description", version[:20] or "none", "0.4 and 0.5 are known"
        )
    given, made = _only(table, "inputs"), _only(table, "outputs")
    read = _read_4 if version.startswith("0.4.") else _read_5
    taken = read(given, "preprocessing", None)
    return taken, read(made, "postprocessing", taken)


def _read_4(raw: Mapping[str, Any], steps: str, source: Tensor | None) -> Tensor:
    axes, name = str(raw.get("axes")), _name(raw.get("name"))
    _require_layout(axes, name)
    halo = raw.get("halo") or [0] * len(axes)
    channels, shape = _shape_4(raw.get("shape"), axes, source)
    processing = _processing(raw.get(steps), "name")
    return Tensor(name, channels, (), shape, _whole_numbers(halo, len(axes))[2:], processing)


def _shape_4(raw: Any, axes: str, source: Tensor | None) -> tuple[int, tuple[Size, ...]]:
    if isinstance(raw, list):
        sizes = _whole_numbers(raw, len(axes))
        shape = tuple(map(Size, sizes[2:]))
        _require_same_shape(shape, source)
        return _channels(sizes[1]), shape
    if not isinstance(raw, dict):
        raise _invalid("shape")
    if source is None:
        smallest, steps = _whole_numbers(raw.get("min"), len(axes)), _whole_numbers(raw.get("step"), len(axes))
        return _channels(smallest[1]), tuple(map(Size, smallest[2:], steps[2:]))
    scale, offset = _numbers(raw.get("scale"), len(axes)), _numbers(raw.get("offset"), len(axes))
    if any(number != 1 for number in scale[2:]) or any(offset[2:]):
        raise _other_size()
    return _channels(round(scale[1] * source.channels + 2 * offset[1])), source.shape


def _read_5(raw: Mapping[str, Any], steps: str, source: Tensor | None) -> Tensor:
    name = _name(raw.get("id"))
    axes = raw.get("axes")
    if not isinstance(axes, list) or not all(isinstance(axis, dict) for axis in axes):
        raise _invalid("axes")
    _require_layout("".join(_letter(axis) for axis in axes), name)
    names = axes[1].get("channel_names")
    if not isinstance(names, list) or not names:
        raise _invalid("channel_names")
    shape = tuple(_size_5(axis, source, n) for n, axis in enumerate(axes[2:]))
    if source is not None:
        shape = source.shape
    halo = _whole_numbers([axis.get("halo", 0) for axis in axes[2:]], len(shape))
    texts = tuple(_name(text) for text in names)
    processing = _processing(raw.get(steps), "id")
    return Tensor(name, _channels(len(names)), texts, shape, halo, processing, _voxel(axes[2:]))


def _letter(axis: Mapping[str, Any]) -> str:
    kind = str(axis.get("type"))
    return str(axis.get("id", "x")) if kind == "space" else _LETTERS.get(kind, f"({kind[:20]})")


def _size_5(axis: Mapping[str, Any], source: Tensor | None, number: int) -> Size:
    size = axis.get("size")
    if isinstance(size, int) and not isinstance(size, bool):
        (whole,) = _whole_numbers([size], 1)
        if source is not None and source.shape[number] != Size(whole):
            raise _other_size()
        return Size(whole)
    if not isinstance(size, dict):
        raise _invalid("size of an axis")
    if "tensor_id" in size:
        if source is None or size.get("offset", 0) or axis.get("scale", 1) != 1:
            raise _other_size()
        return source.shape[number]
    smallest, step = _whole_numbers([size.get("min"), size.get("step")], 2)
    return Size(smallest, step)


def _voxel(axes: list[Mapping[str, Any]]) -> str:
    said = [f"{axis.get('scale', 1)} {axis['unit']} along {axis.get('id', 'x')}" for axis in axes if axis.get("unit")]
    return ", ".join(said)[:120]


def _processing(raw: Any, key: str) -> tuple[Processing, ...]:
    entries = raw or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _invalid("processing")
    found = [(str(entry.get(key))[:40], entry.get("kwargs") or {}) for entry in entries]
    if not all(isinstance(arguments, dict) for _, arguments in found):
        raise _invalid("kwargs")
    return tuple(Processing(name, arguments) for name, arguments in found)


def _only(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    entries = table.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _invalid(key)
    if len(entries) != 1:
        raise MedDLError("E407", f"bioimage.io model with {len(entries)} {key}", "", "one is expected")
    return entries[0]  # type: ignore[no-any-return]


def _require_layout(axes: str, name: str) -> None:
    if axes not in LAYOUTS:
        raise MedDLError("E407", f"axes of {name}", axes[:40], f"{' or '.join(LAYOUTS)} is needed")


def _require_same_shape(shape: tuple[Size, ...], source: Tensor | None) -> None:
    if source is not None and shape != source.shape:
        raise _other_size()


def _channels(count: int) -> int:
    if not 1 <= count <= MAX_CHANNELS_OUT:
        raise MedDLError("E407", "number of channels", f"{count}; 1 to {MAX_CHANNELS_OUT}")
    return count


def _whole_numbers(raw: Any, count: int) -> tuple[int, ...]:
    numbers = _numbers(raw, count)
    if any(number != int(number) or not 0 <= number <= MAX_PATCH for number in numbers):
        raise MedDLError("E401", "bioimage.io description", f"whole numbers up to {MAX_PATCH} are needed")
    return tuple(map(int, numbers))


def _numbers(raw: Any, count: int) -> tuple[float, ...]:
    is_list = isinstance(raw, list) and len(raw) == count
    if not is_list or not all(isinstance(n, (int, float)) and -1e9 < n < 1e9 for n in raw):
        raise _invalid(f"list of {count} numbers")
    return tuple(raw)


def _name(raw: Any) -> str:
    return " ".join(str(raw).split())[:60] or "tensor"


def _other_size() -> MedDLError:
    return MedDLError("E407", "network gives another size than it takes")


def _invalid(what: str) -> MedDLError:
    return MedDLError("E401", "bioimage.io description not valid", what)
