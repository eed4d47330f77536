"""Speech: texts that flows say, rendered ahead into files of the nodes."""
