"""Estimates the cost of a chain before it is trained."""
