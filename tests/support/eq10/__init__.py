"""Random mixtures beside eq. 10 in float64, which knows the documents and nothing of the pack's code.

draw, sensible      a mixture from a seed, and which have an answer that the documents define
drawn               a mixture as plain data, and what the nodes make of it
networks, functions networks, VAEs and CFG functions whose answers are formulas
reference           eq. 10; numbers, masks, cures: its parts
runs                a run in the host, and how far it is from the reference
"""
