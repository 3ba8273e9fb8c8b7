"""Pictures, sounds and films as they come from files, bytes and the network (no torch)."""
