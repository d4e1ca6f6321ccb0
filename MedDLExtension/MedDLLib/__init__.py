"""Slicer's side of MedDL: what the panel shows, and how a run is started and brought into the scene."""
