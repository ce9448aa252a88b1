"""Solvers of the separable and the product reading: functions f and g."""
