"""Fault injection: several faults at a time on a real appliance, chosen by a seed.

story       the faults and actions of a seed
troubles    the faults: how each begins, how it must show, how it ends
stage       the appliance: real processes on a small disk of their own
witness     the recorded events and pictures
promises    the invariants that must hold after each story
scenario    runs one story on one stage, with JSON output
runner      runs many stories in parallel
"""
