"""The face: magics in IPython and Jupyter.

Parses what a user types, runs the cell as itself, binds the variable. Holds no logic of its own.
May import every other room.
"""
