"""The state of the panel, kept in the scene and saved with it."""

from typing import Annotated

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import Default, parameterNodeWrapper


@parameterNodeWrapper
class MedDLParameterNode:
    """What the user chose, and the result that was shown last.

    inputVolume : image for the model's first input; those for further inputs are node references beside it.
    model : name of the model card.
    device : where to compute, as in a job: "auto", "cpu", "cuda", "cuda:1", "mps".
    quality, precision : as in a job; a scene of a newer version may hold another word, which must not raise here.
    mirroring : average over mirrored patches.
    roi : only what lies inside is searched.
    result, resultTable : what the section Results shows.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    model: str
    device: Annotated[str, Default("auto")]
    quality: Annotated[str, Default("standard")]
    precision: Annotated[str, Default("auto")]
    mirroring: bool
    roi: vtkMRMLMarkupsROINode
    result: vtkMRMLSegmentationNode
    resultTable: vtkMRMLTableNode
