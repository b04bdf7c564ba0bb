"""The journal: what happened, a line each, chained, whole after any power cut."""
