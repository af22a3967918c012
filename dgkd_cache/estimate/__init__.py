"""The costs of a chain before it is made."""
