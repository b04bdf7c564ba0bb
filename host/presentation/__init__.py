"""A plan for people: sentences, tables, bars and a figure."""
