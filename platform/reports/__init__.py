"""Reports: the metric dictionary, what is asked of it, and the answers from calls, visits and advertising spend."""
