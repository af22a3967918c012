"""Run files that something has changed: workspaces in which one file of a run is not what it was, and every verb.

`bases.py` makes good workspaces, `changes.py` the changes, `corpus.py` numbers the cases, `children.py` runs verbs in
forked children, `judge.py` says what may come of them, and `check.py` puts it together. `links.py` plants links at
every path that a run writes; `fuzz.py` gives the readers any bytes.
"""
