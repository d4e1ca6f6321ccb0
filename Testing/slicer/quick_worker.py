"""A worker without any network: it answers with a box, or behaves as badly as its first argument says."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from MedDLLogic.events import Event, Failed, Finished, Progress, Started, Warned
from MedDLLogic.job import Job
from MedDLLogic.jobs.exchange import get_image, write_result
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.records import parse_json, to_json_text
from MedDLLogic.result import Measurement, Result

TABLE = LabelTable((Segment("box", "Box", 5, (230, 120, 100)), Segment("rest", "Rest", 9, (90, 190, 255))))


def main(behavior: str, folder: Path) -> int:
    tell(Started("case", ("look",)))
    if behavior in {"hang", "wait"}:
        tell(Progress("case", "look", 0.37, 130.0))
        sys.stdin.read()
        time.sleep(60 if behavior == "hang" else 0)
    if behavior == "crash":
        sys.stderr.write("something went wrong inside a library\n")
        return 11
    if behavior == "refuse":
        tell(Failed("case", "E309", "MEDDL-E309: voxels are not finite numbers"))
        return 3
    if behavior == "chatter":
        sys.stdout.write('a library prints\n{"kind": "finished"\n{"a": 1}\n')
    tell(Warned("case", "E330", "the volume is small"))
    job = parse_json(Job, (folder / "job.json").read_bytes())
    image = get_image(folder, next(iter(job.inputs.values())).handle)
    box = np.zeros(image.geometry.shape_kji, np.uint8)
    box[2:-2, 3:-3, 4:-4] = 5
    volumes = tuple(Measurement(s.id, "volume", 12.25, "ml") for s in TABLE)
    write_result(folder, Result(image.geometry, (box,), TABLE, measurements=volumes))
    tell(Finished("case"))
    return 0


def tell(event: Event) -> None:
    sys.stdout.write(to_json_text(event, indent=None) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
