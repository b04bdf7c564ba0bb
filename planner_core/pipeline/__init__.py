"""The stages of a plan in their order, and the isolation of failing modules."""
