"""Volumes of numbers as files and in a scene, each just where it was asked for."""

import numpy as np
import pytest

from MedDLLogic.events import Reporter
from MedDLLogic.io.read import read_image
from MedDLLogic.job import CardRef, InputRef, Job, OutputPolicy
from MedDLLogic.jobs.products import write_products
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import read_scene
from MedDLLogic.tasks.run import run_job

from ..small_models import ball

VOLUMES = {"uncertainty": "case_entropy.nii.gz", "probabilities": "case_bright_probability.nii.gz"}


def written(folder, card, *products):
    reporter = Reporter("case", lambda event: None)
    job = Job(
        "segment", {"image": InputRef(handle="h")}, card=CardRef(str(card)), output=OutputPolicy(products=products)
    )
    outcome = run_job(job, reporter, {"h": ball()[0]})
    return outcome.made, {file.name for file in write_products(job, outcome, folder, reporter).values()}


@pytest.mark.parametrize("product", VOLUMES)
def test_a_volume_of_numbers_is_a_file_of_its_own(bright_card, tmp_path, product):
    result, names = written(tmp_path, bright_card, product)
    assert names == {VOLUMES[product], "run.json"}
    (volume,) = (result.uncertainty or result.probabilities).values()
    assert np.array_equal(read_image(tmp_path / VOLUMES[product]).image.voxels[0], volume)


def test_a_scene_holds_the_volumes_beside_the_segments(bright_card, tmp_path):
    written(tmp_path, bright_card, "scene", *VOLUMES)
    scene = new_scene()
    read_scene(scene, tmp_path / "scene.mrb")
    nodes = scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    names = [nodes.GetItemAsObject(n).GetName() for n in range(nodes.GetNumberOfItems())]
    assert {"case entropy", "case bright probability"} <= set(names)
