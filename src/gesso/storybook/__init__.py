"""The storybook: a small procedural world of pictures, texts and canvas programs."""
