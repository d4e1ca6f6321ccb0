"""MedDL: from a medical volume to a verified result, in 3D Slicer and without it."""

__version__ = "0.1.0"
