"""Work that can wait: a queue in the database, its handlers by name, its schedules, and the loop that runs them."""
