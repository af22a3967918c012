"""Dense guidance as a student meets it: objectives, stochastic dropping, methods."""
