"""What a run learns: each objective makes its batches and its loss, and saves its model."""
