"""Child programs whose output is captured under a label each.

Their pipes go to the drain that every capture has.
May import what `capture` may.
"""
