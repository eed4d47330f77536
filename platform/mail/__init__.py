"""Letters to people: what they are, and who carries them."""
