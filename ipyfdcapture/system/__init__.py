"""This process: its descriptors, signals, forks and finalizers.

Knows nothing of captures.
May import no other room.
"""
