"""Cross-checks: what the owner's files say about the same thing, and where they disagree.

Each check returns contradictions: a finding with its place and cure, and what must not be traded
until it is settled. A plan, `trader config check` and `trader health` all use them.
"""
