"""The stages of a plan in their order, and how a failing module is isolated."""
