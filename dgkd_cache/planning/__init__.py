"""The cost of a chain before anything is trained: rates measured on this machine, and the arithmetic on them."""
