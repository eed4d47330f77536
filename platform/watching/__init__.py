"""What the people see who keep the platform alive: what its processes said last, calls minute by minute."""
