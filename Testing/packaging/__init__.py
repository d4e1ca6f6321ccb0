"""Pins, contracts and environments: that MedDL installs, and imports only what it may."""
