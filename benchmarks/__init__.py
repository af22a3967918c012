"""What guidance, views, stores and dumps cost, side by side with what they are held against.

`python -m benchmarks` runs all of them, `python -m benchmarks.NAME --help` one. They print and never assert.
"""
