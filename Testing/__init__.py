"""Tests of MedDL; the folders mirror ``MedDLLogic``."""
