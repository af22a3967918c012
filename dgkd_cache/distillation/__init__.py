"""Dense guidance of a student: objectives, stochastic dropping, methods."""
