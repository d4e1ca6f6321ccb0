"""The state of the panel, kept in the scene and saved with it."""

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, Default, parameterNodeWrapper

DEVICES = ["auto", "cpu", "cuda", "mps"]


@parameterNodeWrapper
class MedDLParameterNode:
    """What the user chose.

    inputVolume : image for the model's first input.
    model : name of the model card.
    device : where to compute.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    model: str
    device: Annotated[str, Choice(DEVICES), Default("auto")]
