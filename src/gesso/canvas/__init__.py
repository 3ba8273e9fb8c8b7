"""Canvas programs: the layout language between a planner and a painter (no torch)."""
