"""This process: its descriptors, signals, forks and finalizers.

Imports nothing of captures.
May import no other room.
"""
