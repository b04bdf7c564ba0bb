"""Sets of candidates: ranked, and climbed from one to a better one."""
