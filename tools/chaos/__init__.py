"""Everything that can go wrong with an appliance, several things at a time, told by a seed.

story       what happens, from a number
troubles    each thing that can go wrong: how it begins, how it has to show, how it ends
stage       the appliance it happens to: real processes on a small disk of their own
witness     what was said and shown meanwhile
promises    what must hold whatever happened
scenario    one story on one stage, told as JSON
runner      many of them, side by side
"""
