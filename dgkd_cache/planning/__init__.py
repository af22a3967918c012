"""What a chain will cost before anything is trained: rates measured on this machine, and the arithmetic on them."""
