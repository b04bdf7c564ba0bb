"""Pixels, buttons and bytes: the link to the board, without finance.

Import the submodule you need (``firmware_bridge.link``, ``firmware_bridge.matrix``); nothing is
imported here, so that a command that never touches the board pays nothing for it.
"""
