"""What dense guidance asks of a student: objectives, stochastic dropping, methods."""
