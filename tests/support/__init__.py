"""What tests of several rooms share, beyond fixtures."""
