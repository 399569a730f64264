"""Fronts: scored cascades that do not dominate each other, and the choice of one."""
