"""Pixel operations: pure functions on a batch of uint8 images, with one integer setting for each sample.

All is integer arithmetic, so that every machine and device gives the same pixels (class b). Formulas are torchvision's,
in fixed point; where torchvision computes in floats, its pixels differ by one grey level at most.
"""
