"""MRML in and out: volumes to images, results to segmentations, tables and volumes, scenes to files.

Everything takes the scene or a node as an argument and needs no application around it, so the same
code runs inside 3D Slicer and on the ``slicer-core`` package. Scenes speak RAS; ``geometry.flip_lps_ras``
is the one conversion. Nodes are not kept: a run holds ids, and ``volumes.find_volume`` resolves them late.
"""
